import Checkpoints
import Diffusion
import Foundation
import JobStore
import Logging
import Tensors

/// Writes what renders tell the queue, on a thread of its own. No render waits for whoever holds the queue's lock.
///
/// Of a picture's progress, its resume state and its preview only the newest is kept until it is written. A preview is
/// left out if the queue is locked. Everything else is a task: a picture with its row and file, the end of a job. Tasks run one after another, and none is left out.
final class Reports: Sendable {
  /// Something that is written once.
  struct Task: Sendable {
    /// What waits in memory for it.
    let bytes: Int
    /// Does it. An error that passes by itself means: once more, in a second.
    let attempt: @Sendable () throws -> Void
    /// It is done without, because the daemon stops, or the error does not pass.
    let giveUp: @Sendable (any Error) -> Void
  }

  private struct State {
    var progress: [LastStep.Picture: ProgressReport] = [:]
    var states: [LastStep.Picture: StateReport] = [:]
    var previews: [LastStep.Picture: PreviewReport] = [:]
    var wantsHeartbeat = false
    var tasks: [Task] = []
    /// Of all tasks.
    var bytes = 0
    /// How many tasks have come, and how many are done.
    var added = 0
    var done = 0

    /// Whether there is nothing to write.
    var isEmpty: Bool {
      progress.isEmpty && states.isEmpty && previews.isEmpty && tasks.isEmpty && !wantsHeartbeat
    }

    /// The thread is writing something.
    var isBusy = false
    /// For how many the thread is to begin nothing for a moment; see `between`.
    var holders = 0
    /// How often the thread has begun to write.
    var turns = 0
    /// The turn that outlasted the patience of `between`.
    var slowTurn: Int?
    var isStarted = false
    /// No more comes.
    var isOver = false
    var hasEnded = false
  }

  /// Bytes of pictures that may wait. One picture may always do so.
  private static let room = 16 << 20

  private let session: any JobWorker
  private let stop: StopSignal
  private let reporter: ServiceReporter
  private let log: Logger
  /// Limits warnings that could come at every step.
  private let quiet = QuietLog()
  /// Signalled at every change. Nobody waits on it for a limited time, because its limits are times of day.
  private let changed = NSCondition()
  /// Guarded by `changed`.
  private nonisolated(unsafe) var state = State()

  /// - Parameters:
  ///   - session: on a connection that no render uses.
  ///   - stop: after it, nothing is tried again.
  ///   - reporter: is told what is waited for.
  ///   - log: gets errors.
  init(session: any JobWorker, stop: StopSignal, reporter: ServiceReporter, log: Logger) {
    self.session = session
    self.stop = stop
    self.reporter = reporter
    self.log = log
  }

  /// Starts the thread; it ends after `end`.
  /// - Throws: `ThreadError`
  func start() throws {
    try WorkThread.start("segmoed-report") { [self] in
      while let turn = next() { run(turn) }
    }
    change { $0.isStarted = true }
  }

  /// Lets the thread write what is left, and waits for its end.
  func end() {
    change { $0.isOver = true }
    wait { $0.hasEnded || !$0.isStarted }
  }

  /// Waits until all tasks are done that were added before. Others may go on adding some.
  func flush() {
    reporter.rests()
    var added = 0
    change { added = $0.added }
    wait { $0.done >= added }
  }

  // MARK: - What renders say

  /// How far a picture is.
  func add(_ report: ProgressReport) { change { $0.progress[report.picture] = report } }

  /// A picture's resume state.
  func add(_ report: StateReport) { change { $0.states[report.picture] = report } }

  /// A picture's preview.
  func add(_ report: PreviewReport) { change { $0.previews[report.picture] = report } }

  /// Writes the worker's row soon.
  func heartbeat() { change { $0.wantsHeartbeat = true } }

  /// Adds a task. It waits while too much is in memory for others.
  func add(_ task: Task) {
    // Neither a full disk nor a silent queue is a job that hangs.
    reporter.rests()
    change(when: { $0.bytes == 0 || $0.bytes + task.bytes <= Self.room }) {
      $0.tasks.append(task)
      $0.added += 1
      $0.bytes += task.bytes
    }
  }

  /// Adds the task that writes a picture's file. A state or a preview of this picture that was not written yet is of no
  /// use any more, and must not come after the row that names the file.
  func add(_ task: Task, instead picture: LastStep.Picture) {
    change { ($0.states[picture], $0.previews[picture]) = (nil, nil) }
    add(task)
  }

  /// Runs `body`, which asks for the queue's lock and does not wait for it, while the thread writes nothing. Otherwise
  /// our own reports would refuse it, at every step of a fast render.
  ///
  /// What is being written is waited for, but only a moment and only once: it may be waiting for somebody else's lock.
  /// Then `body` runs all the same.
  func between<Value>(_ body: () throws -> Value) rethrows -> Value {
    var patience = Self.patienceMilliseconds
    change { $0.holders += 1 }
    while !isQuiet, patience > 0 {
      usleep(1000)
      patience -= 1
    }
    change { state in
      if state.isBusy { state.slowTurn = state.turns }
    }
    defer { change { $0.holders -= 1 } }
    return try body()
  }

  /// Whether the thread writes nothing, or something for which waiting is of no use.
  private var isQuiet: Bool {
    changed.lock()
    defer { changed.unlock() }
    return !state.isBusy || state.slowTurn == state.turns
  }

  /// How long `between` waits.
  private static let patienceMilliseconds = 50

  /// A job is over, and what was still to be said of it is of no use.
  func forget(job: Int64) {
    change { state in
      state.progress = state.progress.filter { $0.key.job != job }
      state.states = state.states.filter { $0.key.job != job }
      state.previews = state.previews.filter { $0.key.job != job }
    }
  }

  // MARK: - The thread

  /// What it writes before it looks again.
  private struct Turn {
    var progress: [ProgressReport]
    var states: [StateReport]
    var previews: [PreviewReport]
    var wantsHeartbeat: Bool
    var task: Task?
  }

  private func next() -> Turn? {
    changed.lock()
    defer { changed.unlock() }
    state.isBusy = false
    changed.broadcast()
    while state.holders > 0 || state.isEmpty {
      guard !state.isOver || state.holders > 0 else {
        state.hasEnded = true
        changed.broadcast()
        return nil
      }
      changed.wait()
    }
    let turn = Turn(
      progress: state.progress.values.sorted { $0.picture < $1.picture },
      states: state.states.values.sorted { $0.picture < $1.picture },
      previews: state.previews.values.sorted { $0.picture < $1.picture },
      wantsHeartbeat: state.wantsHeartbeat, task: state.tasks.first)
    (state.progress, state.states, state.previews) = ([:], [:], [:])
    (state.wantsHeartbeat, state.isBusy) = (false, true)
    state.turns += 1
    return turn
  }

  /// What was said before a task is written before it.
  private func run(_ turn: Turn) {
    // Whoever was refused has waited for all that follows.
    var isRefused = false
    for report in turn.progress where isRefused || !write(report) {
      isRefused = true
      change { $0.progress[report.picture] = $0.progress[report.picture] ?? report }
    }
    for report in turn.states where isRefused || !write(report) {
      isRefused = true
      change { $0.states[report.picture] = $0.states[report.picture] ?? report }
    }
    if turn.wantsHeartbeat { beat() }
    for report in turn.previews where !isRefused { report.write(session, log) }
    if let task = turn.task, !run(task) { isRefused = true }
    if isRefused { stop.sleep(seconds: 1) }
  }

  /// - Returns: whether it is over.
  private func run(_ task: Task) -> Bool {
    do {
      try task.attempt()
    } catch let error where passesByItself(error) && !stop.isRequested {
      if error is JobStoreError {
        quiet.warning(log, "the queue does not answer, trying again: \(error)", [:])
        reporter.troubled("the queue does not answer: \(error)")
        reuseLog(after: error)
      }
      return false
    } catch {
      task.giveUp(error)
    }
    change {
      $0.tasks.removeFirst()
      $0.done += 1
      $0.bytes -= task.bytes
    }
    return true
  }

  private func write(_ report: ProgressReport) -> Bool {
    attempt("job \(report.lease.job): cannot say how far it is", report.lease) {
      if try session.report(
        report.progress, waiting: WorkerSession.reportPatience, report.lease) == .cancel
      {
        session.learn(.init(cancelled: true), of: report.lease)
      }
    }
  }

  private func write(_ report: StateReport) -> Bool {
    attempt(
      "job \(report.lease.job), image \(report.picture.index): no checkpoint at step \(report.step)",
      report.lease
    ) {
      try report.write(session, waiting: WorkerSession.reportPatience)
    }
  }

  /// - Returns: false if it is to be tried again: the queue is locked, or its disk is full.
  private func attempt(_ what: String, _ lease: Lease, _ body: () throws -> Void) -> Bool {
    do {
      try body()
    } catch JobStoreError.leaseLost {
      session.learn(.init(lost: true), of: lease)
    } catch {
      // Neither is a reason to lose the picture. A cancellation or a lost lease is also reported by the thread that
      // renews the leases.
      quiet.warning(log, "\(what): \(error)", lease.fields)
      reuseLog(after: error)
      return !passesByItself(error) || stop.isRequested || session.verdict(of: lease).lost
    }
    return true
  }

  private func beat() {
    do {
      try session.heartbeat()
    } catch {
      quiet.warning(log, "cannot write the heartbeat: \(error)", [:])
    }
  }

  /// The queue's own log may be what fills the disk.
  private func reuseLog(after error: any Error) {
    if case JobStoreError.diskFull = error { try? session.reuseLog() }
  }

  // MARK: - The state

  private func change(when condition: (State) -> Bool = { _ in true }, _ body: (inout State) -> Void) {
    changed.lock()
    defer { changed.unlock() }
    while !condition(state) { changed.wait() }
    body(&state)
    changed.broadcast()
  }

  private func wait(until condition: (State) -> Bool) { change(when: condition) { _ in } }
}
