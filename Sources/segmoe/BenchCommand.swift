import ArgumentParser
import Diffusion
import Experts
import Foundation
import Tensors

/// What `bench` measures.
enum BenchSubject: String, ExpressibleByArgument, CaseIterable {
  /// One call of the denoiser with an unconditional and a conditional row.
  case unet
  /// One decode of latents to pixels.
  case vae
  /// A whole render of five steps with guidance.
  case render
}

/// Measures how fast a model runs here.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure how fast a model runs on this machine.")

  @Argument(help: "unet (one batch-2 call), vae (one decode) or render (five steps).")
  var subject: BenchSubject

  @Argument(help: "A model folder or a .safetensors file.")
  var model: String

  @Option(help: "Pixels.")
  var width = 512

  @Option(help: "Pixels.")
  var height = 512

  @Option(help: "Measured runs, after one that is not counted.")
  var `repeat` = 5

  @Flag(help: "Show where the time goes, by kind and shape of layer.")
  var profile = false

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var engine: EngineOptions

  mutating func validate() throws {
    guard `repeat` >= 1 else { throw ValidationError("--repeat \(`repeat`) is out of range; use 1 or more") }
  }

  func run() throws {
    engine.reportInstructions()
    let layers = profile ? WorkProfile() : nil
    let compute = engine.compute(profile: layers)
    let loaded = try engine.load(model, cache: engine.cache())
    let renderer = Renderer(model: loaded, pass: ForwardPass(compute: compute), budget: engine.budget)
    let request = RenderRequest(
      prompt: "a red fox in the snow", negativePrompt: "blurry", width: width, height: height, steps: 5,
      scheduler: .ddim)
    let body = try work(renderer, request)
    try body()
    layers?.reset()
    let before = compute.work.total
    let seconds = try (0..<`repeat`).map { _ in try Self.time(body) }
    let operations = Double(compute.work.total - before) / Double(`repeat`)
    let table = layers?.entries ?? []
    report(
      seconds, operations: operations, peak: try Self.peak(compute, engine.precision),
      threads: compute.pool.threadCount,
      layers: layers == nil ? nil : table)
  }

  private func work(_ renderer: Renderer, _ request: RenderRequest) throws -> () throws -> Void {
    switch subject {
    case .render:
      return { _ = try renderer.render(request) }
    case .vae:
      let start = try renderer.begin(request)
      return { _ = try renderer.decode(start) }
    case .unet:
      let start = try renderer.begin(request)
      return {
        var denoising = start
        _ = try renderer.advance(&denoising)
      }
    }
  }

  private static func time(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let duration = try clock.measure { try body() }
    return Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }

  /// Operations a second of a large product in the precision measured: what this machine can do, as far as we know
  /// how.
  private static func peak(_ compute: Compute, _ precision: Precision) throws -> Double {
    let edge = 2048
    let a = Tensor(shape: [edge, edge], repeating: 0.5)
    let weight = try PackedWeight(linear: WeightRows(a), precision: precision)
    let best = (0..<5).map { _ in time { _ = compute.product(a, weight) } }.min() ?? 1
    return 2 * pow(Double(edge), 3) / best
  }

  private func report(
    _ seconds: [Double], operations: Double, peak: Double, threads: Int, layers: [WorkProfile.Entry]?
  ) {
    let profile = layers.map { BenchProfile(entries: $0, runs: seconds.count, peak: peak) }
    let sorted = seconds.sorted()
    let median = sorted[sorted.count / 2]
    let rate = operations / median
    let resident = Self.peakResidentBytes
    if json {
      let all = seconds.map { String(format: "%.4f", $0) }.joined(separator: ", ")
      print(
        "{\"seconds\": {\"min\": \(Self.number(sorted[0])), \"median\": \(Self.number(median)), \"all\": [\(all)]}, "
          + "\"gflops\": \(Self.number(rate / 1e9)), \"peak_share\": \(Self.number(rate / peak)), "
          + "\"peak_rss_bytes\": \(resident), \"precision\": \"\(engine.precision.rawValue)\", "
          + "\"instructions\": \"\(ProductInstructions.inUse)\", \"threads\": \(threads)"
          + (profile.map { ", \($0.json)" } ?? "") + "}"
      )
    } else {
      print(
        "\(subject.rawValue) \(width)x\(height), \(engine.precision.rawValue) on \(ProductInstructions.inUse), "
          + "\(threads) threads")
      print("seconds     min \(Self.number(sorted[0])), median \(Self.number(median)), of \(seconds.count)")
      print(
        "GFLOP/s     \(Self.number(rate / 1e9)), \(Self.number(100 * rate / peak))% of a 2048³ product here")
      print("memory      \(resident / 1_048_576) MiB at most")
      if let profile { print("\n" + profile.table) }
    }
  }

  private static func number(_ value: Double) -> String { String(format: "%.4f", value) }

  private static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }
}
