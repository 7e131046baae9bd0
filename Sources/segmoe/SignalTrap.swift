import CommandLine
import Merging
import Synchronization
import Tensors

/// Handles SIGINT and SIGTERM while files are being written: the work ends at its next report, and can remove what it
/// has written so far. Before files are written, the signals end the program at once.
final class SignalTrap {
  private struct State: Sendable {
    var isHeld = false
    var signal: Int32?
  }

  private let state: Shared
  private let listener: SignalListener

  /// State that the handlers share with the work.
  private final class Shared: Sendable {
    let value = Mutex(State())
  }

  init() {
    let shared = Shared()
    state = shared
    listener = SignalListener { number in
      let isHeld = shared.value.withLock { state in
        state.signal = number
        return state.isHeld
      }
      if !isHeld { SignalListener.end(by: number) }
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
}

/// Somebody's wish, such as Ctrl-C, whatever else happened meanwhile.
extension Problem: SaysNothingOfContents {}
