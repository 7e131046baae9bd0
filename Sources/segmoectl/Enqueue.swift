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
      Prompts come from arguments, from --file or else from standard input. Each line of a file is a prompt; \
      blank lines are skipped. A line that starts with { is JSON: {"prompt": "…"} and any of \
      \(Setting.all.map(\.name).filter { $0 != "prompt" }.joined(separator: ", ")), priority. The options are \
      the defaults for settings that a line leaves out. If one prompt is wrong, nothing is enqueued.

      All prompts have the same seed unless a line names its own. Relative paths start at the current folder.
      """)

  @OptionGroup var location: Location

  @Argument(help: "Prompts. An empty one (\"\") is allowed.")
  var prompts: [String] = []

  @Option(help: "Read prompts from a file; - is standard input.")
  var file: String?

  @Option(
    help: ArgumentHelp(
      "A model the daemon knows, a folder, a .safetensors file, or one of a hub: owner/name[@revision] or a link.",
      valueName: "name|dir|source"))
  var model: String?

  @OptionGroup(title: "Settings") var settings: SettingsOptions

  @Option(parsing: .unconditional, help: "Higher goes first (default: 0).")
  var priority: Int?

  @Option(
    help: ArgumentHelp(
      "Start no earlier: after 90s, 30m, 8h or 2d, or at 2026-11-23T20:00.", valueName: "time"))
  var runAfter: String?

  @Option(help: "Attempts until a failing job is given up.")
  var maxAttempts = 3

  @Option(help: "The batch's name (default: batch-<number>).")
  var name: String?

  @Option(help: "Idempotency key: if it was used before, nothing is enqueued and the first batch is shown.")
  var key: String?

  @Flag(help: "Wait until the batch is over. The exit code is 0 only if all of it is done.")
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
    try announceSources(of: batch, store, hasDroppedToken: source.hasDroppedToken)
    if wait { try Waiting(store: store, batch: batch.batch, isQuiet: format.json).run() }
  }

  private func options() throws -> RequestDraft {
    var draft = try settings.draft()
    if let model {
      try draft.read("model", model)
      // Options are checked first, so that a wrong one is reported as wrong usage and not as a fault in line 1.
      var (request, paths) = (draft.complete, PathResolver())
      try request.validate()
      try paths.resolve(&request)
    }
    return draft
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
