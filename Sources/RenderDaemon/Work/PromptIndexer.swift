import Foundation
import JobStore
import Logging
import Synchronization
import Tensors

/// Keeps the index of prompts up to date, so that `segmoectl list --prompt` is quick in a large queue. It works in
/// small pieces on a thread of its own, a tenth of the time, and waits for nobody.
package final class PromptIndexer: Sendable {
  private let session: WorkerSession
  private let pause: Double
  private let log: Logger
  private let stop = StopSignal()
  private let quiet = QuietLog(pause: 86400)
  /// Locked during a piece of work; true when there must be no more.
  private let isOver = Mutex(false)

  /// - Parameters:
  ///   - session: whose index it is.
  ///   - pause: seconds until it looks again if there was nothing to do.
  ///   - log: gets errors.
  package init(session: WorkerSession, pause: Double = 5, log: Logger) {
    self.session = session
    self.pause = pause
    self.log = log
  }

  /// Starts the thread; it ends after `end`.
  /// - Throws: `ThreadError`
  package func start() throws {
    try WorkThread.start("segmoed-index") { [self] in
      var pace = Pace()
      while !stop.sleep(seconds: work(&pace)) {}
    }
  }

  /// Ends the thread, after waiting for a piece of work in progress.
  package func end() {
    stop.request()
    isOver.withLock { $0 = true }
  }

  /// What it has found out about its speed.
  private struct Pace {
    /// Prompts in a piece of work.
    var count = 100
    /// When it looks next whether the index is whole; nil: now.
    var nextCheck: ContinuousClock.Instant?
    /// Whether it was not, and there is no new one yet.
    var isBad = false
    /// The change mark before a look that found nothing to do.
    var idleMark: Int64?

    /// Others wait for the queue's lock meanwhile.
    private static let longest = 0.02

    /// Notes how long a piece took.
    mutating func took(_ seconds: Double, for prompts: Int) {
      if seconds > Self.longest {
        count = max(20, prompts / 2)
      } else if prompts == count {
        count = min(1000, count + count / 4)
      }
    }
  }

  /// - Returns: seconds until the next piece.
  private func work(_ pace: inout Pace) -> Double {
    do {
      if pace.nextCheck.map({ $0 <= .now }) ?? true {
        pace.isBad = try session.needsNewPromptIndex()
        pace.nextCheck = .now + .seconds(86400)
      }
      return try isOver.withLock { isOver in
        guard !isOver else { return pause }
        // While nobody commits there is nothing new.
        let mark = try session.client.changeMark()
        guard pace.isBad || mark != pace.idleMark else { return pause }
        if pace.isBad {
          try session.renewPromptIndex()
          pace.isBad = false
        }
        let begun = ContinuousClock.now
        let taken = try session.indexPrompts(atMost: pace.count)
        pace.idleMark = taken > 0 ? nil : mark
        guard taken > 0 else { return pause }
        let seconds = (ContinuousClock.now - begun).seconds
        pace.took(seconds, for: taken)
        return max(0.02, seconds * 9)
      }
    } catch JobStoreError.busy {
      return 1
    } catch {
      // Whatever it is, searches read the prompts themselves meanwhile.
      quiet.warning(log, "cannot keep the index of prompts: \(error)", [:])
      pace.nextCheck = nil
      return 600
    }
  }
}
