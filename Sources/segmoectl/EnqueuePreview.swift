import Boundary
import JobStore
import Requests

/// What `enqueue --dry-run` shows: the jobs that would be queued, and how long they may take.
struct EnqueuePreview {
  private let pace: RenderPace
  private(set) var jobs = 0
  private var images = 0
  private var seconds: Double? = 0
  private var shown: [JobRequest] = []
  private var objects: [JSONText] = []
  /// Settings that no request has had otherwise so far, with their values; nil before the first.
  private var common: [(setting: Setting, value: StoredValue)]?

  /// Settings with a column of their own.
  private static let columns: Set = ["prompt", "model"]

  /// What became of the templates, each text once, however many jobs it has.
  private var texts: [String] = []
  private var lastText = 0

  /// What made them; nil: prompts are no templates.
  var templates: TemplateExpander?

  /// More are only counted, for a person.
  private static let most = 20

  /// - Parameter pace: what earlier jobs took.
  init(pace: RenderPace) { self.pace = pace }

  /// - Parameters:
  ///   - request: the job.
  ///   - text: the number of the text that it is of, from 1; 0: of no template.
  mutating func add(_ request: JobRequest, text: Int) {
    if text != lastText {
      lastText = text
      let negative = request.render.negativePrompt.map { "  [negative: \($0)]" } ?? ""
      texts.append(PlainText.line(request.render.prompt + negative))
    }
    jobs += 1
    images += request.render.count
    if let sum = seconds, let more = pace.seconds(for: request.render) {
      seconds = sum + more
    } else {
      seconds = nil
    }
    if shown.count < Self.most { shown.append(request) }
    if common == nil { common = Setting.all.map { ($0, $0.stored(request.render)) } }
    common?.removeAll { $0.setting.stored(request.render) != $0.value }
    objects.append(Self.object(request))
  }

  private static func object(_ request: JobRequest) -> JSONText {
    .object(
      Setting.all.map { ($0.name, .written($0.json(request.render))) }
        + [("priority", .integer(request.priority))])
  }

  /// All of it.
  var json: JSONText {
    let choice = templates.map { templates in
      JSONText.object([
        ("choice", .string(templates.choice.text)), ("seed", .written("\(templates.seed)")),
        ("texts", .integer(texts.count)),
      ])
    }
    return .object(
      [
        ("jobs", .integer(jobs)), ("images", .integer(images)), ("seconds", .optional(seconds)),
        ("requests", .array(objects)),
      ] + (choice.map { [("templates", $0)] } ?? []))
  }

  /// For a person: the first jobs and the count.
  var text: String {
    let alike = Set((common ?? []).map(\.setting.name))
    let rows = shown.map { request in
      let render = request.render
      let others = Setting.all.filter { setting in
        if Self.columns.contains(setting.name) { return false }
        if setting.name == "seed" || !alike.contains(setting.name) { return true }
        return setting.name != "precision" && !setting.isDefault(render)
      }
      let settings = others.map { "\($0.name.replacing("_", with: "-")) \($0.text(render))" }
      return [
        TerminalText.plain(render.prompt, columns: 40), JobTable.model(render.model),
        TerminalText.plain(settings.joined(separator: ", "), columns: 80),
      ]
    }
    var lines = templateLines
    lines.append(TerminalText.table(["PROMPT", "MODEL", "SETTINGS"], rows))
    if jobs > shown.count { lines.append("and \(jobs - shown.count) more") }
    let time =
      seconds.map { "; about \(TerminalText.duration($0)) for one daemon, by the last jobs" }
      ?? "; nothing like it is done yet, so nobody knows how long it takes"
    let amount = "\(TerminalText.count(jobs, "job")) with \(TerminalText.count(images, "image"))"
    lines.append("\(amount) would be queued\(time)")
    return lines.joined(separator: "\n")
  }

  /// Every text, and how they were chosen.
  private var templateLines: [String] {
    guard let templates else { return [] }
    let way =
      switch templates.choice {
      case .combinatorial: "every combination"
      case .random(let count): "\(count) of each at random, template seed \(templates.seed)"
      }
    return texts + ["\(texts.count) texts from templates: \(way)", ""]
  }
}
