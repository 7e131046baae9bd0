import ArgumentParser
import JobStore

/// A job, or a batch.
struct Target: ParsableArguments {
  @Argument(help: "The job's number.")
  var id: Int64?

  @Option(help: "A whole batch instead.")
  var batch: Int64?

  func validate() throws {
    if (id == nil) == (batch == nil) {
      throw ValidationError("Name a job, or a batch with --batch.")
    }
  }
}

/// `segmoectl cancel`
struct Cancel: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Cancel a job or a batch. Running jobs stop after the step at hand.")

  @OptionGroup var location: Location
  @OptionGroup var target: Target
  @OptionGroup var format: Format

  func run() throws {
    let store = try location.open()
    var outcome = Cancellation(cancelled: 0, stopping: 0)
    if let id = target.id { outcome = try store.cancel(job: id) }
    if let batch = target.batch { outcome = try store.cancel(batch: batch) }
    if format.json {
      let answer = JSONText.object([
        ("cancelled", .integer(outcome.cancelled)), ("stopping", .integer(outcome.stopping)),
      ])
      print(answer.text)
    } else {
      print("\(outcome.cancelled) cancelled, \(outcome.stopping) running stop at their next step")
    }
  }
}

/// `segmoectl retry`
struct Retry: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Queue a failed or cancelled job again, or all such jobs of a batch.")

  @OptionGroup var location: Location
  @OptionGroup var target: Target
  @OptionGroup var format: Format

  func run() throws {
    let store = try location.open()
    var count = 1
    if let id = target.id { try store.retry(job: id) }
    if let batch = target.batch { count = try store.retry(batch: batch) }
    print(format.json ? JSONText.object([("queued", .integer(count))]).text : "\(count) queued again")
  }
}

/// The options of `pause` and `resume`.
struct PauseOptions: ParsableArguments {
  @OptionGroup var location: Location

  @Option(help: "Only this batch.")
  var batch: Int64?

  @OptionGroup var format: Format

  func set(paused: Bool) throws {
    try location.open().setPaused(paused, batch: batch)
    if format.json {
      print(JSONText.object([("paused", .bool(paused)), ("batch", .optional(batch))]).text)
    } else {
      let what = batch.map { "batch \($0)" } ?? "the queue"
      print(paused ? "\(what) is paused; what runs goes on" : "\(what) goes on")
    }
  }
}

/// `segmoectl pause`
struct Pause: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Start no more jobs of the queue or of a batch. Running jobs go on.")

  @OptionGroup var options: PauseOptions

  func run() throws { try options.set(paused: true) }
}

/// `segmoectl resume`
struct Resume: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "End a pause.")

  @OptionGroup var options: PauseOptions

  func run() throws { try options.set(paused: false) }
}

/// `segmoectl reorder`
struct Reorder: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Change a job's priority.")

  @OptionGroup var location: Location

  @Argument(help: "The job's number.")
  var id: Int64

  @Option(help: "Higher goes first.")
  var priority: Int

  @OptionGroup var format: Format

  func run() throws {
    try location.open().setPriority(priority, job: id)
    let answer = JSONText.object([("id", .integer(id)), ("priority", .integer(priority))])
    print(format.json ? answer.text : "job \(id) has priority \(priority)")
  }
}
