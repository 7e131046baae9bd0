import ArgumentParser
import Boundary
import CommandLine
import Diffusion
import Foundation
import Images
import Release
import Requests
import Tensors
import WeightCache

/// What `segmoe render` cannot do without, first in its help.
struct WantedPicture: ParsableArguments {
  @Option(help: "What the picture shows.")
  var prompt: String

  @Option(help: "The PNG file to write.")
  var output: String

  @Flag(help: "Replace whatever file exists, not only a picture of this command.")
  var force = false
}

/// Renders a prompt to PNG files.
struct RenderCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "render", abstract: "Render a prompt with a model to a PNG file.",
    discussion: """
      A picture that `segmoe render` made may be rendered over again. Any other file that exists is refused without \
      --force, pictures of the queue too.
      """)

  @Argument(help: "A model folder, a .safetensors file, or a model of a hub (owner/name).")
  var model: String

  @OptionGroup(title: "Prompt and picture") var wanted: WantedPicture
  @OptionGroup(title: "Settings") var settings: SettingsOptions

  @Option(
    help: ArgumentHelp(
      "Write which weights are used, in order, to a file for `segmoe replay-cache`.", valueName: "file"))
  var trace: String?

  @Flag(help: "Print no progress on standard error.")
  var quiet = false

  @OptionGroup var engine: EngineOptions

  func run() throws {
    var request = try request()
    // Before models are pulled.
    let outputs = try (0..<request.count).map {
      try OutputFile(file($0, of: request.count), force: wanted.force, orIf: PictureText.isByHand)
    }
    let traceFile = try trace.map { try OutputFile($0, force: wanted.force) }
    var paths = PathResolver()
    try SourcePulls(quiet: quiet).pull(&request)
    try paths.resolve(&request)
    let ledger = CacheLedger()
    engine.reportInstructions()
    let governor = engine.governor(request)
    let loaded = try engine.load(request, governor)
    // After what may fail: an error is one line.
    if let notice = governor.notice { tell(notice, end: true) }
    for idle in request.idleSettings(with: loaded.traits) { complain(idle.notice) }
    let renderer = Renderer(
      model: loaded, pass: ForwardPass(compute: engine.compute(), ledger: ledger), governor: governor)
    if trace != nil { loaded.cache.startTrace() }
    let first = try renderer.picture(request)
    for (index, output) in outputs.enumerated() {
      let picture = first.next(index)
      let started = Date()
      var tile: Int?
      let image = try renderer.render(picture) { progress in
        switch progress {
        case .encoding: break
        case .denoising(let step, let steps): tell("\(step)/\(steps)", end: false)
        case .decoding(let edge): tile = edge
        }
      }
      let text = try PictureText(picture, model: loaded, tile: tile, version: Version.current)
      try PNGFile.write(image, texts: text.texts(), to: output)
      let seconds = Date().timeIntervalSince(started)
      tell("\(output.path) \(String(format: "%.1f", seconds)) s", end: true)
    }
    if let traceFile, let trace = loaded.cache.trace { try traceFile.write(trace.lines()) }
    tell(Self.summary(ledger.counts), end: true)
  }

  /// The request, checked as far as possible without the model.
  private func request() throws -> RenderRequest {
    var draft = try settings.draft()
    try draft.read("model", model)
    try draft.read("prompt", wanted.prompt)
    let request = draft.complete
    try request.validate()
    return request
  }

  /// What the cache did.
  private static func summary(_ counts: CacheCounts) -> String {
    let memory = String(format: "%.0f", Double(ResidentMemory.peakBytes) / 1_048_576)
    let read = String(format: "%.0f", Double(counts.bytesLoaded) / 1_048_576)
    let stall = String(format: "%.1f", counts.stallSeconds)
    return "weights: \(counts.hits) hits, \(counts.misses) misses, \(counts.evictions) evictions, "
      + "\(counts.bypasses) bypasses; \(read) MiB read, \(stall) s waited; peak \(memory) MiB"
  }

  /// `out.png`, or `out-3.png` for the fourth of several.
  private func file(_ index: Int, of count: Int) -> String {
    guard count > 1 else { return wanted.output }
    let stem = wanted.output.hasSuffix(".png") ? String(wanted.output.dropLast(4)) : wanted.output
    return "\(stem)-\(index).png"
  }

  private func tell(_ text: String, end: Bool) {
    guard !quiet, isatty(STDERR_FILENO) == 1 || end else { return }
    let text = PlainText.line(text)
    let line = isatty(STDERR_FILENO) == 1 ? "\r\u{1B}[K\(text)" : text
    FileHandle.standardError.write(Data((line + (end ? "\n" : "")).utf8))
  }
}
