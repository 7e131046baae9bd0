import CommandLine
import Dispatch
import Foundation
import Merging
import Synchronization

/// Handles SIGINT and SIGTERM while files are being written: the work ends at its next report, and can remove what it
/// has written so far. Before files are written, the signals end the program at once.
final class SignalTrap {
  private struct State: Sendable {
    var isHeld = false
    var signal: Int32?
  }

  private let state: Shared
  /// Kept, because a released source is cancelled.
  private var sources: [any DispatchSourceSignal] = []

  /// State that the handlers share with the work.
  private final class Shared: Sendable {
    let value = Mutex(State())
  }

  private static let caught = [SIGINT, SIGTERM, SIGHUP]

  init() {
    let shared = Shared()
    state = shared
    for number in Self.caught {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        let isHeld = shared.value.withLock { state in
          state.signal = number
          return state.isHeld
        }
        if !isHeld { Self.end(by: number) }
      }
      source.resume()
      sources.append(source)
    }
  }

  /// From the first call on, a signal waits for the next call.
  /// - Throws: `Problem` with the shell's exit code if a signal has come.
  func holdAndCheck() throws {
    let number = state.value.withLock { state in
      state.isHeld = true
      return state.signal
    }
    if let number { throw Problem.interrupted(by: number) }
  }

  /// Ends the process by the signal itself.
  private static func end(by number: Int32) {
    signal(number, SIG_DFL)
    // Dispatch blocks the signals that it listens for in this thread, so a signal sent to the process would wait for
    // ever.
    var one = sigset_t()
    sigemptyset(&one)
    sigaddset(&one, number)
    pthread_sigmask(SIG_UNBLOCK, &one, nil)
    raise(number)
  }
}
