import ArgumentParser
import CommandLine
import Foundation
import JobStore
import Requests

/// `segmoectl enqueue`
struct Enqueue: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put prompts into the queue.",
    discussion: """
      Prompts come from arguments, from --file or else from standard input. A file is a list of prompts, one a line; \
      JSON Lines; a JSON or YAML list; or a table (CSV, TSV) whose header has a column prompt. A prompt is text, or an \
      object: {"prompt": "…"} and any of \
      \(Setting.all.map(\.name).filter { $0 != "prompt" }.joined(separator: ", ")), priority. The columns of a table \
      have the same names. The options are the defaults for settings that a prompt leaves out. If one prompt is wrong, \
      nothing is enqueued.

      --model may be left out if the daemons have only one. Numbers, --scheduler and --precision may be lists or ranges \
      (--steps 10,25 --guidance 4..9:0.5): every prompt is rendered with every combination. --dry-run shows them.

      With --templates, prompts are templates in the syntax of dynamicprompts, as docs/prompts.md says; else a brace is a \
      brace. --dry-run shows every text.

      All prompts have the same seed unless a line names its own. Relative paths start at the current folder.
      """)

  @OptionGroup var location: Location

  @Argument(help: "Prompts. An empty one (\"\") is allowed.")
  var prompts: [String] = []

  @Option(help: "Read prompts from a file; - is standard input.")
  var file: String?

  @Option(
    help: ArgumentHelp(
      "Take all settings from a job, or from a picture that segmoe made; other options change them.",
      valueName: "job|file"))
  var like: String?

  @Option(
    name: .customLong("format"),
    help: ArgumentHelp(
      "How the file is written: \(PromptFormat.allCases.map(\.rawValue).joined(separator: ", ")) (default: its content tells).",
      valueName: "format"))
  var promptFormat = PromptFormat.auto

  @Option(
    help: ArgumentHelp(
      "A model the daemon knows, a folder, a .safetensors file, or one of a hub: owner/name[@revision] or a link.",
      valueName: "name|dir|source"))
  var model: String?

  @Option(help: ArgumentHelp("Each prompt with each of these models.", valueName: "name,name,…"))
  var models: String?

  @OptionGroup(title: "Templates") var templates: TemplateOptions

  @OptionGroup(title: "Settings") var settings: SettingsOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Each prompt with each of these seeds: a list (1,2,7) or a range (1..4).", valueName: "seeds"))
  var seeds: String?

  @Option(parsing: .unconditional, help: "Higher goes first (default: 0).")
  var priority: Int?

  @Option(
    help: ArgumentHelp(
      "Start no earlier: after 90s, 30m, 8h or 2d, or at 2026-11-23T20:00.", valueName: "time"))
  var runAfter: String?

  @Option(parsing: .unconditional, help: "Attempts until a failing job is given up.")
  var maxAttempts = 3

  @Option(help: "The batch's name (default: batch-<number>).")
  var name: String?

  @Option(help: "Idempotency key: if it was used before, nothing is enqueued and the first batch is shown.")
  var key: String?

  @Flag(
    help: """
      Render all of the batch in one class of numerics: that of the daemon that begins first. Its jobs wait for daemons \
      of this class, however long.
      """)
  var sameNumerics = false

  @Flag(help: "Wait until the batch is over. The exit code is 0 only if all of it is done.")
  var wait = false

  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func run() throws {
    guard (1...100).contains(maxAttempts) else { throw Problem.usage("--max-attempts must be 1 to 100") }
    let place = location.place
    let isNew = access(place.path, F_OK) != 0
    let earlier = try like.map { try EarlierRequest($0, in: isNew ? nil : location.open(for: .reading)) }
    let expander = try templates.expander()
    let drafts = try options(earlier)
    let options = JobOptions(
      drafts: drafts, priority: priority, runAfter: try runAfter.map(moment(_:)),
      maxAttempts: maxAttempts)
    let batch = BatchRequest(name: name, key: key, hasOneNumerics: sameNumerics)
    try batch.validate()
    // Who says --like says the prompt, unless there are others.
    let own = prompts.isEmpty && file == nil ? earlier?.draft.prompt.map { [$0] } : nil
    var source = try PromptSource(
      prompts: own ?? prompts, file: file, format: promptFormat, options: options, key: key,
      templates: expander)
    if look.dryRun { return try preview(&source, isNew ? nil : location.open(for: .reading)) }
    let store = try location.open(for: .creating)
    source.models = try store.usableModels()
    let enqueued: EnqueuedBatch
    do {
      enqueued = try store.enqueue(batch) { try source.next() }
    } catch JobStoreError.emptyBatch {
      throw source.emptyProblem
    }
    announce(enqueued)
    try announceSources(of: enqueued, store, hasDroppedToken: source.hasDroppedToken)
    for notice in source.notices { complain(notice) }
    try warn(store, place, isNew: isNew)
    if wait { try Waiting(store: store, batch: enqueued.batch, isJSON: format.json).run() }
  }

  /// The settings of a prompt that names none, one for each combination.
  private func options(_ earlier: EarlierRequest?) throws -> [RequestDraft] {
    guard model == nil || models == nil else {
      throw Problem.usage("--model and --models say the same: give one of them")
    }
    var drafts = try settings.grid(models: models, seeds: seeds)
    var paths = PathResolver()
    for index in drafts.indices {
      if let model { try drafts[index].read("model", model) }
      if let earlier {
        try earlier.check(drafts[index].given)
        drafts[index] = drafts[index].over(earlier.draft)
      }
      guard drafts[index].given.contains("model") else { continue }
      // Options are checked first, so that a wrong one is reported as wrong usage and not as a fault in line 1.
      var request = drafts[index].complete
      try request.validate()
      try paths.resolve(&request)
    }
    return drafts
  }

  /// What would be queued.
  private func preview(_ source: inout PromptSource, _ store: QueueClient?) throws {
    source.models = try store?.usableModels() ?? []
    var preview = EnqueuePreview(pace: try store?.pace() ?? RenderPace())
    while let request = try source.next() { preview.add(request, text: source.texts) }
    guard preview.jobs > 0 else { throw source.emptyProblem }
    preview.templates = source.templates
    print(format.json ? preview.json.text : preview.text)
    for notice in source.notices { complain(notice) }
  }

  /// What a person should know who expects pictures from this queue.
  private func warn(_ store: QueueClient, _ place: QueuePlace, isNew: Bool) throws {
    if isNew { complain("started a new queue, \(place.path) (\(place.meaning))") }
    for flaw in QueueRights(of: place.path).flaws {
      complain("\(flaw.path) stops the service or its members: \(flaw.fault); \(flaw.mend)")
    }
    let now = Date().milliseconds
    // Who waits is told after a moment.
    guard !wait, try !store.workers().contains(where: { $0.isAlive(now: now) }) else { return }
    let start = place.source == .service ? "sudo systemctl start segmoed" : "segmoed --database \(place.path)"
    complain("no segmoed works on \(place.path) at the moment; the jobs wait: `\(start)` starts one")
  }

  /// Says on standard error what the jobs wait for, and what to run if nobody fetches it.
  private func announceSources(of batch: EnqueuedBatch, _ store: QueueClient, hasDroppedToken: Bool) throws {
    if hasDroppedToken {
      complain("the token in the link is not kept: the fetcher needs it as CIVITAI_API_TOKEN")
    }
    let waits = try store.waits(batch: batch.batch)
    guard !waits.isEmpty else { return }
    let sources = waits.map(\.source).joined(separator: ", ")
    guard try store.fetchers().isEmpty else {
      if !format.json { complain("waiting for \(sources), which is fetched first") }
      return
    }
    complain(FetcherHint.text(sources))
  }

  private func announce(_ batch: EnqueuedBatch) {
    if format.json {
      let jobs = batch.jobs.map { JSONText.integer($0) }
      print(JSONText.object([("batch", .integer(batch.batch)), ("jobs", .array(jobs))]).text)
    } else {
      let (first, last) = (batch.jobs.lowerBound, batch.jobs.upperBound)
      let jobs = first == last ? "job \(first)" : "jobs \(first) to \(last)"
      print("batch \(batch.batch): \(jobs) queued\(batch.isNew ? "" : " before, with this key")")
    }
    // The batch's number must be visible before a long wait, through a pipe too.
    fflush(nil)
  }
}
