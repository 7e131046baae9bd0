import ArgumentParser
import Checkpoints
import CommandLine
import Diffusion
import Foundation
import Requests
import Tensors
import WeightCache

/// Measures how far bf16 and int8 are from single precision.
struct PrecisionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "precision",
    abstract: "Measure how far bf16 and int8 are from f32, for one call of each of a model's networks.")

  @Argument(help: "A model folder.")
  var model: String

  @Option(help: "Pixels.")
  var width = 512

  @Option(help: "Pixels.")
  var height = 512

  @Option(help: "What the picture shows.")
  var prompt = "a red fox in the snow"

  @Option(help: "Steps of the render that is decoded.")
  var steps = 25

  @Option(help: "The step at which the UNet is measured, from 0.")
  var step = 12

  @Option(
    help: ArgumentHelp(
      "For int8, keep UNet layers whose name contains this in bf16. May be repeated.",
      valueName: "name"))
  var inBf16: [String] = []

  @Flag(help: "Print JSON.")
  var json = false

  @Option(help: "Computing threads (one per processor).")
  var threads: Int?

  mutating func validate() throws {
    guard (1...1000).contains(steps) else {
      throw ValidationError("--steps \(steps) is out of range; use 1 to 1000")
    }
    guard (0..<steps).contains(step) else {
      throw ValidationError("--step \(step) is out of range; use 0 to \(steps - 1)")
    }
  }

  /// The outputs of the networks in one precision.
  private struct Outputs {
    let text, noise, pixels: Tensor
    let byteCount: Int
  }

  /// The errors of one precision.
  private struct Row: Encodable {
    let precision: String
    let text: Double
    let unet: Double
    let vae: Double
    let levels: Double
    let bytes: Int
  }

  func run() throws {
    if let warning = ProductInstructions.failureWarning { complain(warning) }
    let exact = try outputs(.f32, latents: nil)
    let rows = try [Precision.f32, .bf16, .int8].map { precision in
      let found = precision == .f32 ? exact : try outputs(precision, latents: exact.latents)
      return Row(
        precision: precision.rawValue, text: Self.distance(found.0.text, exact.0.text),
        unet: Self.distance(found.0.noise, exact.0.noise), vae: Self.distance(found.0.pixels, exact.0.pixels),
        levels: Self.levels(found.0.pixels, exact.0.pixels), bytes: found.0.byteCount)
    }
    if json {
      print(try JSONOutput.text(rows))
    } else {
      print("relative RMSE to f32, \(width)x\(height), by \(ProductInstructions.inUse)")
      print("          text      UNet      VAE       levels    MiB of weights (experts not counted)")
      for row in rows {
        let numbers = [row.text, row.unet, row.vae, row.levels]
          .map { String(format: "%.5f", $0).padding(toLength: 10, withPad: " ", startingAt: 0) }.joined()
        print(
          "\(row.precision.padding(toLength: 10, withPad: " ", startingAt: 0))\(numbers)\(row.bytes >> 20)")
      }
    }
  }

  /// The text states, one call of the UNet and a decode; and the latents that these two got.
  /// - Parameters:
  ///   - precision: the precision of the networks.
  ///   - latents: those of f32, so that all precisions get the same; nil for f32 itself.
  private func outputs(_ precision: Precision, latents: (Tensor, Tensor)?) throws -> (
    Outputs, latents: (Tensor, Tensor)
  ) {
    try MemoryRefusal.check { try unchecked(precision, latents: latents) }
  }

  private func unchecked(_ precision: Precision, latents: (Tensor, Tensor)?) throws -> (
    Outputs, latents: (Tensor, Tensor)
  ) {
    let governor = MemoryGovernor(budget: MemoryBudget.chosen(given: nil))
    let loaded = try DiffusionModel(
      folder: ModelPath(model).open(), cache: governor.cache, precision: precision,
      inHalves: precision == .int8 ? inBf16 : [])
    let renderer = Renderer(
      model: loaded, pass: ForwardPass(compute: Compute(threads: threads)), governor: governor)
    let probe = try PrecisionProbe(
      renderer, PictureRequest(prompt: prompt, width: width, height: height, steps: steps, guidance: 5),
      step: step,
      latents: latents)
    return (
      Outputs(
        text: probe.text, noise: probe.noise, pixels: probe.pixels, byteCount: loaded.byteCounts.total),
      probe.latents
    )
  }

  /// √(Σ(a−b)² / Σb²).
  private static func distance(_ a: Tensor, _ b: Tensor) -> Double {
    var (difference, size) = (0.0, 0.0)
    for (x, y) in zip(a.values, b.values) {
      difference += pow(Double(x) - Double(y), 2)
      size += pow(Double(y), 2)
    }
    return (difference / max(size, 1e-300)).squareRoot()
  }

  /// Mean difference of pixels in levels of 255.
  private static func levels(_ a: Tensor, _ b: Tensor) -> Double {
    func level(_ value: Float) -> Double { Double(max(0, min(1, value / 2 + 0.5)) * 255) }
    return zip(a.values, b.values).reduce(0) { $0 + abs(level($1.0) - level($1.1)) } / Double(max(1, a.count))
  }
}
