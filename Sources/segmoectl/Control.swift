import ArgumentParser
import JobStore

/// The option to look before something happens.
struct DryRun: ParsableArguments {
  @Flag(help: "Only show what would happen.")
  var dryRun = false
}

/// `segmoectl cancel`
struct Cancel: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Cancel a job or a batch. Running jobs stop after the step at hand.",
    discussion: "Pictures that are finished stay, unless --discard says that nobody wants them.")

  @OptionGroup var location: Location
  @OptionGroup var target: Target

  @Flag(help: "Remove the finished pictures of these jobs, too. A daemon does that.")
  var discard = false

  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func run() throws {
    let store = try location.open(for: look.dryRun ? .reading : .changing)
    let scope = try target.scope(in: store)
    let plan = try store.cancellation(of: scope)
    if !format.json, !plan.pictures.isEmpty {
      print(PictureList.text(plan.pictures, discard ? .go : .stay))
    }
    let outcome = look.dryRun ? plan.outcome : try store.cancel(scope, discard: discard)
    if format.json {
      let answer = JSONText.object([
        ("cancelled", .integer(outcome.cancelled)), ("stopping", .integer(outcome.stopping)),
        ("pictures", .array(plan.pictures.map(JSONText.string))), ("discarded", .bool(discard)),
        ("dry_run", .bool(look.dryRun)),
      ])
      print(answer.text)
    } else if look.dryRun {
      print("\(outcome.cancelled) would be cancelled, \(outcome.stopping) running would stop")
    } else {
      print("\(outcome.cancelled) cancelled, \(outcome.stopping) running stop at their next step")
    }
  }
}

/// `segmoectl retry`
struct Retry: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Queue a failed or cancelled job again, or all such jobs of a batch.",
    discussion: """
      A done job is rendered anew, beside its pictures. Finished pictures of a failed or cancelled job are not rendered \
      again. With --batch, jobs go that wait for a class of numerics which no daemon is of any more.
      """)

  @OptionGroup var location: Location
  @OptionGroup var target: Target
  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func run() throws {
    let store = try location.open(for: look.dryRun ? .reading : .changing)
    let scope = try target.scope(in: store)
    let plan = try store.retrial(of: scope)
    if !format.json, !plan.pictures.isEmpty { print(PictureList.text(plan.pictures, .stay)) }
    let count = look.dryRun ? plan.count : try store.retry(scope)
    if format.json {
      let answer = JSONText.object([
        ("queued", .integer(count)), ("pictures", .array(plan.pictures.map(JSONText.string))),
        ("dry_run", .bool(look.dryRun)),
      ])
      print(answer.text)
    } else {
      print("\(count) \(look.dryRun ? "would be queued" : "queued") again")
    }
  }
}

/// What `pause` and `resume` have in common.
struct PauseOptions: ParsableArguments {
  @OptionGroup var location: Location

  @Option(help: ArgumentHelp("Only this batch: its number or name.", valueName: "batch"))
  var batch: BatchReference?

  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func set(paused: Bool) throws {
    let store = try location.open(for: look.dryRun ? .reading : .changing)
    let number = try batch?.number(in: store)
    let before = try store.pause(batch: number)
    if !look.dryRun { try store.setPaused(paused, batch: number) }
    if format.json {
      let answer = JSONText.object([
        ("paused", .bool(paused)), ("batch", .optional(number)), ("was_paused", .bool(before.isPaused)),
        ("queued", .integer(before.queued)), ("dry_run", .bool(look.dryRun)),
      ])
      print(answer.text)
      return
    }
    let what = number.map { "batch \($0)" } ?? "the queue"
    let jobs = TerminalText.count(before.queued, "queued job")
    if !look.dryRun {
      print(paused ? "\(what) is paused; what runs goes on" : "\(what) goes on")
    } else if before.isPaused == paused {
      print("\(what) is \(paused ? "paused already" : "not paused"); nothing would change")
    } else if paused {
      print("\(what) would be paused with \(jobs); what runs would go on")
    } else {
      print("\(what) would go on with \(jobs)")
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

  @Option(parsing: .unconditional, help: "Higher goes first.")
  var priority: Int

  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func run() throws {
    let store = try location.open(for: look.dryRun ? .reading : .changing)
    let before = try store.priority(ofJob: id, before: priority)
    if !look.dryRun { try store.setPriority(priority, job: id) }
    if format.json {
      let answer = JSONText.object([
        ("id", .integer(id)), ("priority", .integer(priority)), ("priority_before", .integer(before)),
        ("dry_run", .bool(look.dryRun)),
      ])
      print(answer.text)
    } else {
      print("job \(id) \(look.dryRun ? "would have" : "has") priority \(priority), before \(before)")
    }
  }
}
