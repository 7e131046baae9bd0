import Dispatch
import Foundation
import Merging
import Synchronization

/// Interrupt and termination while files are being written: the work ends at its next report, so that it
/// can take back what it has begun. Before that, the signals end the program at once, as ever.
final class SignalTrap {
  private struct State: Sendable {
    var isHeld = false
    var signal: Int32?
  }

  private let state: Shared
  /// Released, they would be cancelled.
  private var sources: [any DispatchSourceSignal] = []

  /// What the handlers share with the work.
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

  /// From now on signals wait for the next call of this.
  /// - Throws: `Problem` with the shell's code for the signal that has come.
  func holdAndCheck() throws {
    let number = state.value.withLock { state in
      state.isHeld = true
      return state.signal
    }
    if let number { throw Problem.interrupted(by: number) }
  }

  /// Ends as if the signal had never been caught.
  private static func end(by number: Int32) {
    signal(number, SIG_DFL)
    // Dispatch blocks the signals that it listens for, in this thread among others: sent to the process, it
    // would wait for ever.
    var one = sigset_t()
    sigemptyset(&one)
    sigaddset(&one, number)
    pthread_sigmask(SIG_UNBLOCK, &one, nil)
    raise(number)
  }
}
