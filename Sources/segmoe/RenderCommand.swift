import ArgumentParser
import Diffusion
import Experts
import Foundation
import Images
import Release
import Tensors

/// Renders a prompt to PNG files.
struct RenderCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "render", abstract: "Render a prompt with a model to a PNG file.")

  @Argument(help: "A model folder or a .safetensors file.")
  var model: String

  @Option(help: "What the picture shows.")
  var prompt: String

  @Option(help: "What it should not show. For SDXL an empty text is not the same as none.")
  var negativePrompt: String?

  @OptionGroup var text: PromptOptions

  @Option(help: "Pixels; a multiple of 8.")
  var width = 512

  @Option(help: "Pixels; a multiple of 8.")
  var height = 512

  @Option(help: "Denoising steps.")
  var steps = 25

  @Option(help: "How strongly the prompt counts; 1 or less turns guidance off.")
  var guidance: Float = 7.5

  @Option(
    help: ArgumentHelp(
      "\(SchedulerName.allCases.map(\.rawValue).joined(separator: ", ")); without it the model's own.",
      valueName: "name"))
  var scheduler: String?

  @Option(help: "Seed of the noise.")
  var seed: UInt64 = 0

  @Option(help: "Pictures, with seed, seed+1, …; their files get -0, -1, … before the ending.")
  var count = 1

  @Option(
    help: ArgumentHelp("A PNG file to start from, resized to the picture's size.", valueName: "file"))
  var initImage: String?

  @Option(help: "How far to go from the init image, above 0 to 1: so much of the steps is taken (0.8).")
  var strength: Float?

  @Option(
    help: ArgumentHelp("A PNG file whose white parts of the init image are painted anew.", valueName: "file"))
  var mask: String?

  @OptionGroup(title: "What SDXL is told of the picture's framing") var framing: FramingOptions

  @Option(help: "The PNG file to write.")
  var output: String

  @Option(
    help: ArgumentHelp(
      "Write which weights are used, in order, for `segmoe replay-cache`.", valueName: "file"))
  var trace: String?

  @Flag(help: "No progress on standard error.")
  var quiet = false

  @OptionGroup var engine: EngineOptions

  mutating func validate() throws {
    guard initImage != nil || (strength == nil && mask == nil) else {
      throw ValidationError("--strength and --mask need --init-image")
    }
    guard count >= 1 else { throw ValidationError("--count \(count) is out of range; use 1 or more") }
  }

  func run() throws {
    let name = try scheduler.map { try SchedulerName(named: $0) }
    let reading = try text.reading()
    let source = try initImage.map {
      try SourcePicture(
        imageFile: $0, maskFile: mask, strength: strength ?? 0.8, width: max(1, width),
        height: max(1, height))
    }
    let ledger = ExpertLedger()
    let loaded = try engine.load(model, cache: engine.cache())
    let renderer = Renderer(
      model: loaded, pass: ForwardPass(compute: engine.compute(), ledger: ledger),
      budget: engine.budget)
    if trace != nil { loaded.cache.startTrace() }
    for index in 0..<count {
      var request = RenderRequest(
        prompt: prompt, negativePrompt: negativePrompt, width: width, height: height, steps: steps,
        guidance: guidance, scheduler: name, seed: seed &+ UInt64(index))
      request.reading = reading
      request.framing = framing.framing
      request.source = source
      let started = Date()
      let image = try renderer.render(request) { progress in
        if case .denoising(let step, let steps) = progress { tell("\(step)/\(steps)", end: false) }
      }
      let text = PictureText(
        request, model: model, digest: loaded.digest, scheduler: try loaded.schedulerName(for: request),
        precision: engine.precision.rawValue, version: Version.current)
      let path = file(index)
      try PNGFile.write(image, texts: text.texts(), to: path)
      let seconds = Date().timeIntervalSince(started)
      tell("\(path) \(String(format: "%.1f", seconds)) s", end: true)
    }
    if let trace { try loaded.cache.trace?.write(to: trace) }
    tell(Self.summary(ledger.counts), end: true)
  }

  /// What the cache did.
  private static func summary(_ counts: ExpertCounts) -> String {
    let memory = String(format: "%.0f", Double(ResidentMemory.peakBytes) / 1_048_576)
    let read = String(format: "%.0f", Double(counts.bytesLoaded) / 1_048_576)
    let stall = String(format: "%.1f", counts.stallSeconds)
    return "weights: \(counts.hits) hits, \(counts.misses) misses, \(counts.evictions) evictions, "
      + "\(counts.bypasses) bypasses; \(read) MiB read, \(stall) s waited; peak \(memory) MiB"
  }

  /// `out.png`, or `out-3.png` for the fourth of several.
  private func file(_ index: Int) -> String {
    guard count > 1 else { return output }
    let stem = output.hasSuffix(".png") ? String(output.dropLast(4)) : output
    return "\(stem)-\(index).png"
  }

  private func tell(_ text: String, end: Bool) {
    guard !quiet, isatty(STDERR_FILENO) == 1 || end else { return }
    let line = isatty(STDERR_FILENO) == 1 ? "\r\u{1B}[K\(text)" : text
    FileHandle.standardError.write(Data((line + (end ? "\n" : "")).utf8))
  }
}
