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
      Prompts come as arguments, from --file, or (without either) from standard input. In a file every line \
      is a prompt; blank lines are skipped. A line that starts with { is JSON: {"prompt": "…"} with any of \
      \(Setting.all.map(\.name).filter { $0 != "prompt" }.joined(separator: ", ")), priority; the options are \
      the defaults for what it leaves out. All prompts enter the queue together or, when one is wrong, none does.

      Every prompt has the same seed unless a line names its own. Relative paths start at the current folder.
      """)

  @OptionGroup var location: Location

  @Argument(help: "Prompts; an empty one (\"\") is allowed.")
  var prompts: [String] = []

  @Option(help: "Read prompts from a file; - is standard input.")
  var file: String?

  @Option(
    help: ArgumentHelp("A model the daemon knows, a folder, or a .safetensors file.", valueName: "name|dir"))
  var model: String?

  @OptionGroup(title: "Settings") var settings: SettingsOptions

  @Option(parsing: .unconditional, help: "Higher goes first (0).")
  var priority: Int?

  @Option(
    help: ArgumentHelp(
      "Not before then: a pause like 90s, 30m, 8h, 2d, or 2026-11-23T20:00.", valueName: "time"))
  var runAfter: String?

  @Option(help: "Attempts before a failing job is given up.")
  var maxAttempts = 3

  @Option(help: "What to call the batch (batch-<number>).")
  var name: String?

  @Option(help: "Idempotency key: the same key again enqueues nothing and answers with the first batch.")
  var key: String?

  @Flag(help: "Wait until the batch is over; exit 0 only if all of it is done.")
  var wait = false

  @OptionGroup var format: Format

  func run() throws {
    guard (1...100).contains(maxAttempts) else { throw Problem.usage("--max-attempts must be 1 to 100") }
    var source = try PromptSource(
      prompts: prompts, file: file, options: options(), priority: priority,
      runAfter: runAfter.map(moment(_:)), maxAttempts: maxAttempts)
    let store = try location.open()
    let batch: EnqueuedBatch
    do {
      batch = try store.enqueue(BatchRequest(name: name, key: key)) { try source.next() }
    } catch JobStoreError.emptyBatch {
      throw source.isEmptyProblem
    }
    announce(batch)
    if wait { try Waiting(store: store, batch: batch.batch, isQuiet: format.json).run() }
  }

  private func options() throws -> RequestDraft {
    var draft = try settings.draft()
    if let model {
      try draft.read("model", model)
      // Wrong options are wrong usage, not a wrong first line.
      var (request, paths) = (draft.complete, PathResolver())
      try paths.resolve(&request)
      try request.validate()
    }
    return draft
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
    // The batch must be seen before a long wait, also through a pipe.
    fflush(nil)
  }
}
