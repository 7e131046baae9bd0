import Foundation
import JobStore

/// How the worker lives with its queue: looks whether it is still there, waits for it, and leaves it.
extension Worker {
  /// Checks that the queue is still the file that was opened, and that its worker of this name is still this daemon.
  /// A queue that does not answer passes the check, because that is temporary.
  /// - Throws: `JobStoreError.replaced`, `.schemaTooNew`, `.workerNameTaken`, `.wrongSchema`
  func checkQueue() throws {
    do {
      try session.verifyBeforeClaim()
    } catch let error as JobStoreError {
      switch error {
      case .replaced, .schemaTooNew, .workerNameTaken, .wrongSchema, .moved: throw error
      default: log.warning("cannot look at the queue: \(error)")
      }
    }
  }

  /// Runs `body` until it succeeds. A full disk or a locked database must neither end the daemon nor lose a job's
  /// result.
  /// - Returns: nil if a stop was asked for meanwhile.
  /// - Throws: what does not pass by itself.
  func persistently<Result>(_ body: () throws -> Result) throws -> Result? {
    while true {
      do {
        return try body()
      } catch let error where passesByItself(error) {
        log.error("the queue does not answer, trying again: \(error)")
        reporter.troubled("the queue does not answer: \(error)")
        // The queue's own log may be what fills the disk.
        if case JobStoreError.diskFull = error { try? side.reuseLog() }
        if stop.sleep(seconds: 1) { return nil }
      }
    }
  }

  /// Sleeps until another process commits, a job comes due, another loop's job is over, or a stop or reload is asked for.
  /// It sleeps two seconds at most, because neither a moved queue nor a clock that is set back is a commit; on a server
  /// that many ask, longer.
  /// - Parameter due: when a job may come due without a commit.
  /// - Returns: false if that time passed without any of that.
  private func waitForWork(
    _ look: inout Lookout, since seen: Int64, ended: Int, due: Milliseconds?
  ) throws -> Bool {
    let begun = CheckpointPace.now
    // In both directions: not even this clock is always what it should be.
    while abs(CheckpointPace.now - begun) < look.pace.span(crowd: session.crowd) {
      if look.pace.sleep(stop, due: due, session) { return true }
      reporter.idle()
      if current.withLock({ $0.reloads }) != look.reloads { return true }
      if atWork.withLock({ $0.ended }) != ended { return true }
      look.mark = try persistently({ try session.changeMark() })
      guard look.mark == seen else { return true }
      if let due, due <= Date().milliseconds { return true }
    }
    return false
  }

  /// Waits for work. While nobody commits and no time comes, the queue is asked for nothing but whether anybody has
  /// committed: with thousands of idle daemons, every other question would be asked in vain thousands of times a second.
  /// - Parameters:
  ///   - look: the settings that are known, the pace of the looks, and the clock whose jumps change what is due.
  ///   - seen: the change mark before the last claim.
  ///   - ended: how often a loop's work was over before it.
  ///   - due: when a job may come due without a commit.
  ///   - watchesFiles: whether a file that comes or changes may make a job due. Then it is over after the first wait.
  /// - Returns: a jump of the clock that the caller has yet to heed.
  /// - Throws: `JobStoreError.replaced`
  func rest(
    _ look: inout Lookout, since seen: Int64, ended: Int, due: Milliseconds?, watchesFiles: Bool
  ) throws -> ClockWatch.Jump? {
    // Not for ever: a picture that could not be removed is tried again, too.
    for _ in 0..<15 {
      if try waitForWork(&look, since: seen, ended: ended, due: due) || watchesFiles { return nil }
      if let jump = look.clock.jump() { return jump }
      try session.verifyPlace()
    }
    return nil
  }

  /// Learns where lies what a fetcher has brought to this machine since it was lacked, and tries it again.
  /// - Parameter locator: a copy of the loaded models', which learns it, too.
  func takeArrivals(_ locator: inout ModelLocator) throws {
    let absent = lacked.withLock { $0.all }
    let names = absent.models.union(absent.files)
    guard !names.isEmpty, var places = try persistently({ try session.arrivals(among: names) }) else {
      return
    }
    // Where it was looked for in vain, only other files are news.
    places = places.filter { locator.places[$0.key] != $0.value }
    guard !places.isEmpty else { return }
    for name in places.keys.sorted() {
      guard try persistently({ try session.expect(name) }) != nil else { return }
      log.info("'\(name)' is here now")
    }
    let found = places
    guard shelf.take({ $0.locator.learn(found) }) != nil else { return }
    locator.learn(found)
    lacked.withLock { $0.forget(found.keys) }
  }

  /// When a job may come due without a commit, by this machine's clock; nil: never.
  func nextDue(_ current: DaemonSettings) throws -> Milliseconds? {
    guard let due = try session.nextDue(numericsPatience: numericsPatience(current)) else { return nil }
    let (time, isBeyond) = due.addingReportingOverflow(Date().milliseconds &- (try session.queue.now()))
    return isBeyond ? due : time
  }

  /// Whether no queued job can be rendered any more.
  func isDrained() throws -> Bool {
    let status = try session.queue.status()
    if status.isPaused || status.counts.queued == 0 { return true }
    return try session.nextDue(numericsPatience: 0) == nil && !session.isAwaitingSources()
  }

  /// Whoever drains waits for no other worker.
  func numericsPatience(_ current: DaemonSettings) -> Double {
    settings.drain ? 0 : current.numericsPatience
  }

  /// Whoever drains is told whether a job failed. Otherwise nobody asks, and a daemon may have had millions of events.
  private func countFailures() throws {
    let failed = try session.failedJobs()
    failures.withLock { $0 = failed }
  }

  func signOff() {
    do {
      if settings.drain { try countFailures() }
    } catch {
      log.warning("cannot look whether jobs failed: \(error)")
    }
    do {
      try session.signOff()
      try session.close()
      try side.close()
    } catch {
      log.warning("cannot sign off: \(error)")
    }
  }
}
