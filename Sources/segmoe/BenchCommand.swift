import ArgumentParser
import CommandLine
import Diffusion
import Foundation
import Requests
import Tensors
import WeightCache

/// What `bench` measures.
enum BenchSubject: String, ExpressibleByArgument, CaseIterable {
  /// One call of the UNet with an unconditional and a conditional row; without guidance the latter alone.
  case unet
  /// One decode of latents to pixels.
  case vae
  /// A whole render of five steps with guidance.
  case render
}

/// Measures how fast a model runs on this machine.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure how fast a model runs on this machine.",
    discussion: """
      The time of each kind of layer is measured in an extra run, because timing layers takes time itself. \
      Shares are relative to the speed of large products on this machine in the layer's precision. Work of \
      convolutions is counted for the direct algorithm, whichever is used.
      """)

  @Argument(help: "unet (one call), vae (one decode) or render (five steps).")
  var subject: BenchSubject

  @Argument(help: "A model folder or a .safetensors file.")
  var model: String

  @Option(help: "Pixels.")
  var width = 512

  @Option(help: "Pixels.")
  var height = 512

  @Option(
    help: "Guidance: above 1 a call of the UNet has two rows, else one, as models of few steps are used.")
  var guidance = 7.5

  @Option(help: "Measured runs. A run before them is not counted.")
  var `repeat` = 5

  @Flag(help: "Show the time by shape of layer, not only by kind.")
  var profile = false

  @Flag(
    help:
      "Reckon what --threads can reach at best, from the tasks of one thread. Runs three times on one thread."
  )
  var plan = false

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var settings: ModelOptions

  @OptionGroup var engine: EngineOptions

  mutating func validate() throws {
    guard `repeat` >= 1 else { throw ValidationError("--repeat \(`repeat`) is out of range; use 1 or more") }
    guard guidance.isFinite, guidance >= 0 else {
      throw ValidationError("--guidance \(guidance) is out of range; use 0 or more")
    }
    if plan && profile { throw ValidationError("--plan and --profile are two measurements; use one of them") }
  }

  func run() throws {
    engine.reportInstructions()
    if plan { return try reckon() }
    let timed = WorkProfile()
    let compute = engine.compute(profile: timed)
    let (loaded, body) = try prepare(compute)
    try body { _ in }
    let before = compute.work.total
    let seconds = try (0..<`repeat`).map { _ in try Self.time { try body { _ in } } }
    let operations = Double(compute.work.total - before) / Double(`repeat`)
    // Taken before the peaks are measured, which no render needs.
    let resident = ResidentMemory.peakBytes
    let times = BenchProfile(try stretches(of: body, in: loaded.precision, timed))
    let peaks = try Self.peaks(times.arithmetics, compute)
    let median = seconds.median ?? 0
    let report = BenchReport(
      subject: subject.rawValue, width: width, height: height, precision: loaded.precision.rawValue,
      instructions: ProductInstructions.inUse, threads: compute.pool.threadCount,
      seconds: .init(min: seconds.min() ?? 0, median: median, all: seconds),
      gflops: operations / median / 1e9, peakShare: times.secondsAtPeak(peaks) / median,
      peakRSSBytes: resident,
      peakGflops: Dictionary(uniqueKeysWithValues: peaks.map { ($0.key.rawValue, $0.value / 1e9) }),
      kinds: times.kinds.map { BenchRow($0, peaks) },
      layers: profile ? times.layers.map { BenchRow($0, peaks) } : nil)
    print(json ? try JSONOutput.text(report) : report.text)
  }

  /// Traces the tasks of some runs on one thread, and prints what several can reach.
  private func reckon() throws {
    let trace = SectionTrace()
    let threads = engine.threads ?? ProcessorLimit.current
    let (loaded, body) = try prepare(Compute(tracing: trace, taskThreads: threads))
    try body { _ in }
    let runs = try (0..<Self.tracedRuns).map { _ in try trace.record { try body { _ in } } }
    let report = BenchPlan(
      subject: subject, width: width, height: height, precision: loaded.precision.rawValue,
      threads: threads,
      plan: ThreadPlan(runs, handover: ThreadPool(threadCount: 2).handover()))
    print(json ? try JSONOutput.text(report) : report.text)
  }

  /// Of each task, the shortest of so many runs counts: a neighbour on the machine disturbs some.
  private static let tracedRuns = 3

  /// Loads the model, and prepares the work on it.
  private func prepare(_ compute: Compute) throws -> (DiffusionModel, Work) {
    let asked = try settings.request(model: model)
    let governor = engine.governor(asked)
    if let notice = governor.notice { complain(notice) }
    let loaded = try engine.load(asked, governor)
    let renderer = Renderer(model: loaded, pass: ForwardPass(compute: compute), governor: governor)
    let body = try work(
      renderer,
      PictureRequest(
        prompt: "a red fox in the snow", negativePrompt: "blurry", width: width, height: height, steps: 5,
        guidance: guidance, scheduler: .ddim))
    return (loaded, body)
  }

  /// A run, which reports its progress to its argument.
  private typealias Work = ((RenderProgress) throws -> Void) throws -> Void

  private func work(_ renderer: Renderer, _ request: PictureRequest) throws -> Work {
    switch subject {
    case .render:
      return { report in _ = try renderer.render(request, report: report) }
    case .vae:
      let start = try renderer.begin(request)
      return { report in
        try report(.decoding(tile: start.plan.tile))
        _ = try renderer.decode(start)
      }
    case .unet:
      let start = try renderer.begin(request)
      return { report in
        try report(.denoising(step: 0, steps: start.steps))
        var denoising = start
        _ = try renderer.advance(&denoising)
      }
    }
  }

  /// The times of layers in an extra run, cut where the precision of the networks may change.
  private func stretches(of work: Work, in networks: Precision, _ timed: WorkProfile) throws -> [BenchStretch]
  {
    var precision = networks.besideUNet
    var stretches: [BenchStretch] = []
    try timed.record {
      try work { next in
        stretches.append(BenchStretch(precision: precision, entries: timed.take()))
        if case .denoising = next {
          precision = networks
        } else {
          precision = networks.besideUNet
        }
      }
    }
    return stretches + [BenchStretch(precision: precision, entries: timed.take())]
  }

  private static func time(_ body: () throws -> Void) rethrows -> Double {
    try ContinuousClock().measure { try body() }.seconds
  }

  /// Operations per second of a large product in each precision, the best speed that is known for this machine.
  private static func peaks(_ arithmetics: [Precision], _ compute: Compute) throws -> [Precision: Double] {
    let edge = BenchReport.peakEdge
    let a = Tensor(shape: [edge, edge], repeating: 0.5)
    var peaks: [Precision: Double] = [:]
    for precision in arithmetics {
      let weight = try PackedWeight(linear: WeightRows(a), precision: precision)
      let best = (0..<5).map { _ in time { _ = compute.product(a, weight) } }.min() ?? 1
      peaks[precision] = 2 * pow(Double(edge), 3) / best
    }
    return peaks
  }
}
