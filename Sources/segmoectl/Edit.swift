import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore
import Requests

/// `segmoectl edit`
struct Edit: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Change the settings of a job that waits.",
    discussion: """
      Only a job that has not begun: one with pictures or saved steps would mix settings, and `enqueue --like JOB` queues \
      another. What no option names stays. The job has all its attempts again, and waits for what it newly names of a hub. \
      An idempotency key still answers for what its batch was asked for first.
      """)

  @OptionGroup var location: Location

  @Argument(help: "The job's number.")
  var id: Int64

  @Option(help: "Another prompt.")
  var prompt: String?

  @Option(
    help: ArgumentHelp("Another model, named as for enqueue.", valueName: "name|dir|source"))
  var model: String?

  @OptionGroup(title: "Settings") var settings: SettingsOptions

  @OptionGroup var turn: TurnOptions

  @Option(parsing: .unconditional, help: "Attempts until a failing job is given up.")
  var maxAttempts: Int?

  @OptionGroup var sharedOption: SharedOption
  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func run() throws {
    if let maxAttempts, !(1...100).contains(maxAttempts) {
      throw Problem.usage("--max-attempts must be 1 to 100")
    }
    let store = try location.open(for: look.dryRun ? .reading : .changing)
    let known = try store.knownModels()
    var paths = PathResolver(
      names: known.names, share: try sharedOption.share(for: location.place, isLook: look.dryRun))
    let draft = try draft(&paths)
    if draft.given.contains("model") { try known.check(draft.complete.model) }
    let start = try turn.earliest()
    guard !draft.given.isEmpty || turn.priority != nil || start != nil || maxAttempts != nil else {
      throw Problem.usage(
        "nothing says what to change: give a setting, such as --steps 30, --prompt or --priority")
    }
    func change(_ request: inout JobRequest) throws {
      request.render = draft.over(RequestDraft(whole: request.render)).complete
      request.priority = turn.priority ?? request.priority
      request.runAfter = start ?? request.runAfter
      request.maxAttempts = maxAttempts ?? request.maxAttempts
    }
    let edit = try look.dryRun ? store.plannedEdit(job: id, change) : store.edit(job: id, change)
    print(format.json ? json(edit).text : PlainText.line(text(edit)))
    try FetcherHint.announce(
      edit.sources, store, hasDroppedToken: paths.hasDroppedToken, isJSON: format.json)
    for notice in edit.request.render.notices(known) { complain(notice) }
  }

  /// What is to be changed, with absolute paths of files that exist.
  private func draft(_ paths: inout PathResolver) throws -> RequestDraft {
    var draft = try settings.draft()
    if let model { try draft.read("model", model) }
    if let prompt {
      try PromptSource.checkEncoding(of: prompt)
      try draft.read("prompt", prompt)
    }
    // The job's own steps belong to its old schedule.
    if !draft.given.contains("steps"), !draft.given.isDisjoint(with: ["timesteps", "sigma_list"]) {
      draft.give("steps", \.steps, draft.request.steps)
    }
    // What the job names already is the daemon's affair: it may lie where this user cannot look.
    var request = draft.request
    try paths.resolve(&request)
    if draft.given.contains("model") { draft.give("model", \.model, request.model) }
    if draft.given.contains("loras") { draft.give("loras", \.loras, request.loras) }
    if draft.given.contains("embeddings") { draft.give("embeddings", \.embeddings, request.embeddings) }
    if draft.given.contains("vae") { draft.give("vae", \.vae, request.vae) }
    if draft.given.contains("init_image") { draft.give("init_image", \.initImage, request.initImage) }
    if draft.given.contains("mask") { draft.give("mask", \.mask, request.mask) }
    return draft
  }

  private func text(_ edit: JobEdit) -> String {
    if edit.changes.isEmpty {
      return "job \(id) is so already: nothing \(look.dryRun ? "would change" : "changed")"
    }
    return "job \(id)\(look.dryRun ? " would change" : ""): \(edit.text)"
  }

  private func json(_ edit: JobEdit) -> JSONText {
    let changes = edit.changes.map { change in
      JSONText.object([
        ("setting", .string(change.name)), ("before", .string(change.before)), ("now", .string(change.now)),
      ])
    }
    return .object([
      ("id", .integer(id)), ("changes", .array(changes)),
      ("waiting_for", .array(edit.sources.map(QueueJSON.source.json))), ("dry_run", .bool(look.dryRun)),
    ])
  }
}
