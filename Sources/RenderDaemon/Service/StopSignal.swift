import Foundation
import Synchronization

/// Asks the worker to stop, and lets it sleep until asked.
///
/// Sleeps use the monotonic clock. If the time of day is set back by an hour, a wait of ten milliseconds must not
/// take an hour.
package final class StopSignal: Sendable {
  private let requested = Atomic<Bool>(false)
  /// A pair of sockets. One byte wakes all sleepers, because it is never read. Both ends are negative if there were no
  /// descriptors left. Then sleepers check every tenth of a second.
  private let ends: (reading: Int32, writing: Int32)

  package init() {
    var pair: [Int32] = [-1, -1]
    let kind = SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    ends = socketpair(AF_UNIX, Int32(kind), 0, &pair) == 0 ? (pair[0], pair[1]) : (-1, -1)
  }

  deinit {
    if ends.reading >= 0 {
      close(ends.reading)
      close(ends.writing)
    }
  }

  /// Whether a stop was asked for.
  var isRequested: Bool { requested.load(ordering: .acquiring) }

  /// Asks for a stop and wakes all sleepers.
  package func request() {
    requested.store(true, ordering: .releasing)
    var byte: UInt8 = 1
    if ends.writing >= 0 { send(ends.writing, &byte, 1, Int32(MSG_NOSIGNAL)) }
  }

  /// Sleeps until a stop is asked for, at most `seconds`.
  /// - Parameters:
  ///   - seconds: how long to wait.
  ///   - descriptor: also wakes the sleeper when it can be read; negative for none.
  /// - Returns: whether a stop was asked for.
  @discardableResult
  package func sleep(seconds: Double, orUntilReadable descriptor: Int32 = -1) -> Bool {
    var left = seconds
    while !isRequested, left > 0 {
      let begun = CheckpointPace.now
      let turn = min(left, ends.reading < 0 ? 0.1 : 60)
      var events = [ends.reading, descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      let woken = poll(&events, 2, Int32((turn * 1000).rounded(.up)))
      if events[1].revents != 0 { break }
      // If nothing woke the sleeper, the whole time has passed, whatever the clock says.
      left -= woken == 0 ? turn : min(max(0, CheckpointPace.now - begun), turn)
    }
    return isRequested
  }
}
