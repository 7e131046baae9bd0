import Foundation
import HTTP
import Hub
import JobStore
import Logging
import Requests
import Synchronization

/// Brings what queued jobs name of a hub onto this machine, two sources at a time. It alone has a network; the daemon
/// that renders reads what it leaves in the cache.
package final class SourceFetcher: Sendable {
  private let settings: FetchSettings
  private let session: any JobFetcher
  private let transport: any HTTPTransport
  private let log: Logger
  private let stop = StopFlag()
  /// Ends the fetching of one source each.
  private let working = Mutex<[Int64: StopFlag]>([:])

  /// Sources at the same time; each takes several connections.
  private static let width = 2
  /// Seconds between two heartbeats.
  private static let heartbeat = 5.0

  /// - Parameters:
  ///   - settings: of the fetcher.
  ///   - session: signed on; `run` signs it off.
  ///   - transport: makes the requests.
  ///   - log: gets what it does.
  package init(settings: FetchSettings, session: any JobFetcher, transport: any HTTPTransport, log: Logger) {
    self.settings = settings
    self.session = session
    self.transport = transport
    self.log = log
  }

  /// Asks it to stop. What is half fetched stays, and is gone on with by the next fetcher.
  package func requestStop() {
    stop.set()
    for flag in working.withLock({ Array($0.values) }) { flag.set() }
  }

  /// Fetches until it is asked to stop.
  /// - Throws: `JobStoreError` if the queue cannot be used any more.
  package func run() throws {
    let heart = Thread { [self] in
      while !stop.isSet {
        do { try session.beat() } catch { log.warning("cannot write the heartbeat: \(error)") }
        rest(Self.heartbeat)
      }
    }
    heart.name = "segmoe-heart"
    heart.start()
    defer {
      do {
        try session.signOff()
        try session.close()
      } catch {
        log.warning("cannot sign off: \(error)")
      }
    }
    try ParallelWork.run(Array(0..<Self.width), width: Self.width) { [self] _ in
      do {
        while !stop.isSet {
          if try !fetchNext() { try waitForWork() }
        }
      } catch {
        // The others end, too.
        requestStop()
        throw error
      }
    }
  }

  /// - Returns: whether there was anything to fetch.
  private func fetchNext() throws -> Bool {
    guard let claimed = try persistently({ try session.claim() }) ?? nil else { return false }
    let flag = StopFlag()
    working.withLock { $0[claimed.id] = flag }
    defer { working.withLock { $0[claimed.id] = nil } }
    if stop.isSet { flag.set() }
    log.info("\(claimed.text): fetching")
    do {
      let source = try remote(claimed)
      if let path = localPath(source) {
        _ = try persistently { try session.finish(claimed, localPath: path) }
        log.info("\(claimed.text): \(path), which was here")
        return true
      }
      let pulled = try fetch(source, claimed, flag)
      let name = ModelSource.name(ofPath: pulled.path)
      _ = try persistently {
        try session.finish(
          claimed, name: ModelSource.remote(name) == nil ? claimed.text : name, revision: pulled.revision,
          path: pulled.path, bytes: pulled.bytes)
      }
      let cached = pulled.fromCache ? ", which was here" : ""
      log.info("\(claimed.text): ready, \(HubError.size(pulled.bytes))\(cached)")
    } catch HubError.stopped {
      log.info("\(claimed.text): stopped")
      _ = try persistently { try session.giveBack(claimed) }
    } catch let error where !(error is JobStoreError) {
      let pause = settings.pause(after: error, tries: claimed.tries)
      // Some faults are the site's, and name no source.
      let text = "\(error)"
      let reason = text.hasPrefix(claimed.text) ? text : "\(claimed.text): \(text)"
      log.warning("\(reason)\(pause.map { "; trying again in \(Int($0)) s" } ?? "")")
      _ = try persistently { try session.fail(claimed, message: reason, tryingAgainIn: pause) }
    }
    return true
  }

  private func remote(_ claimed: ClaimedSource) throws -> ModelSource {
    guard let source = ModelSource.remote(claimed.text) else {
      throw HubError.gone(what: claimed.text, reason: "this is neither a card nor a link of a hub")
    }
    return source
  }

  private func fetch(
    _ source: ModelSource, _ claimed: ClaimedSource, _ flag: StopFlag
  ) throws -> PulledModel {
    try settings.limits.check(source)
    let told = Mutex(Date.distantPast)
    let puller = ModelPuller(
      settings: settings.hub, transport: transport, pace: settings.pace, stop: flag,
      mostBytes: settings.limits.largest, say: { [log] in log.info("\($0)") },
      tell: { [self] progress in
        let now = Date()
        let isDue = told.withLock { last in
          guard now.timeIntervalSince(last) >= settings.interval else { return false }
          last = now
          return true
        }
        guard isDue else { return }
        let goesOn = try? session.report(
          claimed, done: progress.done, total: progress.total, perSecond: progress.rate)
        if goesOn == false { flag.set() }
      })
    return try puller.pull(source, for: claimed.use)
  }

  /// A local path wins over a card of the same name, here as everywhere.
  private func localPath(_ source: ModelSource) -> String? {
    guard case .card(let id, nil) = source else { return nil }
    return settings.modelFolders.map { "\($0)/\(id)" }.first { access($0, F_OK) == 0 }
  }

  /// Rests until somebody else commits, the queue tells of something, or a try is due.
  private func waitForWork() throws {
    _ = try persistently { try session.verify() }
    guard let mark = try persistently({ try session.queue.changeMark() }) else { return }
    let due = try persistently { try nextDue() } ?? nil
    let end = Date(timeIntervalSinceNow: 2)
    while !stop.isSet, Date() < end {
      if listen(session.lookPause, until: due) { return }
      if try persistently({ try session.queue.changeMark() }) != mark { return }
    }
  }

  /// When something is tried again, by this machine's clock; nil: nothing is.
  private func nextDue() throws -> Milliseconds? {
    guard let due = try session.nextDue() else { return nil }
    let (time, isBeyond) = due.addingReportingOverflow(Date().milliseconds &- (try session.queue.now()))
    return isBeyond ? due : time
  }

  /// Rests for so many seconds.
  /// - Returns: whether the queue has told of something, or the time has come.
  private func listen(_ seconds: Double, until due: Milliseconds?) -> Bool {
    let end = Date(timeIntervalSinceNow: seconds)
    repeat {
      if let descriptor = session.newsDescriptor() {
        var news = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&news, 1, 100) != 0 {
          if session.hears() { return true }
          // It was an answer to another thread, or the connection is gone.
          rest(0.1)
        }
      } else {
        rest(0.1)
      }
      if let due, due <= Date().milliseconds { return true }
    } while !stop.isSet && Date() < end
    return false
  }

  private func rest(_ seconds: Double) {
    let end = Date(timeIntervalSinceNow: seconds)
    while !stop.isSet, Date() < end { Thread.sleep(forTimeInterval: min(seconds, 0.1)) }
  }

  /// Runs `body` until it succeeds: neither a full disk nor a locked queue must lose what was fetched.
  /// - Returns: nil if a stop was asked for meanwhile.
  /// - Throws: what does not pass by itself.
  private func persistently<Result>(_ body: () throws -> Result) throws -> Result? {
    while true {
      do {
        return try body()
      } catch let error as JobStoreError where error.passesByItself {
        log.error("the queue does not answer, trying again: \(error)")
        if stop.isSet { return nil }
        rest(1)
      }
    }
  }
}
