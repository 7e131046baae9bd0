import ArgumentParser
import Boundary
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

      --model may be left out if the daemons have only one. Numbers, --scheduler, --precision, --deep-cache and \
      --token-merging may be lists or ranges (--steps 10,25 --guidance 4..9:0.5): every prompt is rendered with every \
      combination. --dry-run shows them.

      With --templates, prompts are templates in the syntax of dynamicprompts, as docs/prompts.md says; else a brace is a \
      brace. --dry-run shows every text.

      All prompts have the same seed unless a line names its own. Relative paths start at the current folder. On a queue \
      of PostgreSQL, files of this machine are put into the place that machines share (--shared), and jobs name their digests.
      """)

  @OptionGroup var location: Location

  @Argument(help: "Prompts. An empty one (\"\") is allowed.")
  var prompts: [String] = []

  @Option(name: .customLong("prompt"), help: "A prompt, like an argument. May be repeated.")
  var namedPrompts: [String] = []

  @Option(help: "Read prompts from a file; - is standard input.")
  var file: String?

  @Option(
    help: ArgumentHelp(
      "Take all settings from a job, or from a picture that segmoe made; other options change them.",
      valueName: "job|file"))
  var like: String?

  @OptionGroup var promptFormat: PromptFormatOption

  @Option(
    help: ArgumentHelp(
      "A model the daemon knows, a folder, a .safetensors file, or one of a hub (owner/name[@revision] or a link) or of the shared place (shared:NAME).",
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

  @OptionGroup var turn: TurnOptions

  @Option(parsing: .unconditional, help: "Attempts until a failing job is given up.")
  var maxAttempts = 3

  @Option(help: "The batch's name (default: batch-<number>).")
  var name: String?

  @Option(help: "Idempotency key: if it was used before, nothing is enqueued and the first batch is shown.")
  var key: String?

  @Option(
    help: ArgumentHelp(
      "Start when this batch is over, whatever became of its jobs: its number or name.", valueName: "batch"))
  var after: BatchReference?

  @Option(
    help: ArgumentHelp(
      "Names of the pictures below the output folder, such as {batch}/{job}-{index}-{seed}; fields: \(PictureNamePattern.Field.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "pattern"))
  var namePattern: String?

  @Flag(
    help: """
      Render all of the batch in one class of numerics: that of the daemon that begins first. Its jobs wait for daemons \
      of this class, however long.
      """)
  var sameNumerics = false

  @Flag(help: "Wait until the batch is over. The exit code is 0 only if all of it is done.")
  var wait = false

  @Option(
    help: ArgumentHelp(
      "With --wait: run this by /bin/sh when the wait ends (`segmoectl watch --help` has its variables).",
      valueName: "command"))
  var notify: String?

  @OptionGroup var sharedOption: SharedOption
  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func run() throws {
    guard (1...100).contains(maxAttempts) else { throw Problem.usage("--max-attempts must be 1 to 100") }
    guard notify == nil || wait else {
      throw Problem.usage("--notify runs its command when the wait ends: add --wait")
    }
    let enqueuing = try Enqueuing(location: location, isJSON: format.json, waits: wait)
    let earlier = try like.map { try EarlierRequest($0, in: enqueuing.before) }
    let expander = try templates.expander()
    let drafts = try options(earlier, enqueuing.known)
    let options = JobOptions(
      drafts: drafts, priority: turn.priority, runAfter: try turn.earliest(),
      maxAttempts: maxAttempts)
    let batch = BatchRequest(
      name: name, key: key, after: after?.text, namePattern: namePattern, hasOneNumerics: sameNumerics)
    try batch.validate()
    // Who says --like says the prompt, unless there are others.
    let given = prompts + namedPrompts
    let own = given.isEmpty && file == nil ? earlier?.draft.prompt.map { [$0] } : nil
    var source = try PromptSource(
      prompts: own ?? given, file: file, format: promptFormat.kind, options: options, key: key,
      templates: expander, models: enqueuing.known,
      share: sharedOption.share(for: location.place, isLook: look.dryRun, keeping: kept(of: earlier)))
    if look.dryRun { return try enqueuing.preview(&source, after: after) }
    let enqueued = try enqueuing.put(&source, as: batch)
    guard wait else { return }
    try Waiting(
      store: location.open(for: .reading), batch: enqueued.batch, isJSON: format.json,
      notify: notify.map { NotifyCommand($0, on: location.place) }
    ).run()
  }

  /// The paths that an earlier request names, and the command line does not.
  private func kept(of earlier: EarlierRequest?) throws -> Set<String> {
    guard let earlier else { return [] }
    var said = try settings.draft().request.files
    if let model { said.append(model) }
    return Set(earlier.draft.request.files.map(absolutePath)).subtracting(said.map(absolutePath))
  }

  /// The settings of a prompt that names none, one for each combination.
  private func options(_ earlier: EarlierRequest?, _ known: KnownModels) throws -> [RequestDraft] {
    guard model == nil || models == nil else {
      throw Problem.usage("--model and --models say the same: give one of them")
    }
    var drafts = try settings.grid(models: models, seeds: seeds)
    for index in drafts.indices {
      if let model { try drafts[index].read("model", model) }
      if let earlier {
        try earlier.check(drafts[index].given)
        drafts[index] = drafts[index].over(earlier.draft)
      }
    }
    try drafts.check(known, for: location.place)
    return drafts
  }
}
