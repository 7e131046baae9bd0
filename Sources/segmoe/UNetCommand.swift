import ArgumentParser
import Checkpoints
import CommandLine
import Diffusion
import Foundation
import Images
import Tensors
import WeightCache

/// One call of a model's UNet on the tensors of a file, to compare it with other engines.
struct UNetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unet", abstract: "Call a model's UNet once, with the tensors in a file.",
    discussion: """
      INPUT has the tensors latents [batch, channel, height, width], states [batch, token, width] and timestep
      [1]; for SDXL also pooled [batch, width] and sizes [6]. OUTPUT gets the tensor noise, which has the shape
      of latents. Benchmarks/agreement compares it with torch.
      """)

  @Argument(help: "A model folder or a .safetensors file.")
  var model: String

  @Argument(help: "A .safetensors file with the call's inputs.")
  var input: String

  @Argument(help: "The .safetensors file to write.")
  var output: String

  @Flag(help: "Replace the file if it exists.")
  var force = false

  @OptionGroup var settings: ModelOptions

  @OptionGroup var engine: EngineOptions

  func run() throws {
    let place = try OutputFile(output, force: force)
    engine.reportInstructions()
    let file = try SafetensorsFile(path: input)
    let latents = try tensor("latents", rank: 4, file)
    let states = try tensor("states", rank: 3, file)
    let timestep = try tensor("timestep", rank: 1, file).values
    guard timestep.count == 1, latents.shape[0] == states.shape[0] else {
      throw Problem.badInput("\(input): wants one timestep, and as many rows of states as of latents")
    }
    let asked = try settings.request(model: model)
    let unet = try engine.load(asked, engine.governor(asked)).unet
    guard latents.shape[1] == unet.configuration.inputChannels,
      states.shape[2] == unet.configuration.contextWidth
    else {
      throw Problem.badInput(
        "\(input): the model takes \(unet.configuration.inputChannels) channels of latents and states of width "
          + "\(unet.configuration.contextWidth)")
    }
    let pass = ForwardPass(compute: engine.compute())
    let result = try MemoryRefusal.check {
      let added = try unet.configuration.added.map { _ in
        AddedConditions(
          pooled: try tensor("pooled", rank: 2, file), sizes: try tensor("sizes", rank: 1, file).values)
      }
      let text = try unet.prepare(states, added: added, pass)
      return Self.channelsFirst(
        try unet(Self.channelsLast(latents), timestep: timestep[0], text: text, pass))
    }
    // The writer renames a file of its own over the target, which may be a device.
    let whole = NSTemporaryDirectory() + "segmoe-unet-\(UUID().uuidString)"
    defer { unlink(whole) }
    let writer = try SafetensorsWriter(
      path: whole, tensors: [.init(name: "noise", type: .float32, shape: result.shape)])
    try writer.append(result, name: "noise")
    try writer.finish()
    try place.write([UInt8](Data(contentsOf: URL(fileURLWithPath: whole))))
  }

  private func tensor(_ name: String, rank: Int, _ file: SafetensorsFile) throws -> Tensor {
    guard let stored = file[name] else {
      throw CheckpointError.missingTensor(name: name, path: input)
    }
    guard stored.shape.count == rank, stored.count > 0 else {
      throw Problem.badInput(
        "\(input): \(name) has the shape \(stored.shape), expected \(rank) axes, none empty")
    }
    return try stored.read()
  }

  /// `[batch, channel, height, width]` to `[batch, height, width, channel]`.
  private static func channelsLast(_ x: Tensor) -> Tensor {
    let (batch, channels, area) = (x.shape[0], x.shape[1], x.shape[2] * x.shape[3])
    return Tensor(
      shape: [batch, x.shape[2], x.shape[3], channels],
      values: transposed(x.values, batch: batch, rows: channels, columns: area))
  }

  /// `[batch, height, width, channel]` to `[batch, channel, height, width]`.
  private static func channelsFirst(_ x: Tensor) -> Tensor {
    let (batch, channels, area) = (x.shape[0], x.shape[3], x.shape[1] * x.shape[2])
    return Tensor(
      shape: [batch, channels, x.shape[1], x.shape[2]],
      values: transposed(x.values, batch: batch, rows: area, columns: channels))
  }

  private static func transposed(_ values: [Float], batch: Int, rows: Int, columns: Int) -> [Float] {
    var result = values
    for image in 0..<batch {
      for row in 0..<rows {
        for column in 0..<columns {
          result[(image * columns + column) * rows + row] = values[(image * rows + row) * columns + column]
        }
      }
    }
    return result
  }
}
