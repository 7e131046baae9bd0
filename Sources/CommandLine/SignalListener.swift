import Dispatch
import Foundation

/// Hears SIGINT, SIGTERM and SIGHUP, which no longer end the program, as long as it lives.
package final class SignalListener {
  /// Kept, because a released source is cancelled.
  private var sources: [any DispatchSourceSignal] = []

  private static let caught = [SIGINT, SIGTERM, SIGHUP]

  /// - Parameter heard: called on another thread with the signal's number.
  package init(_ heard: @escaping @Sendable (Int32) -> Void) {
    for number in Self.caught {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { heard(number) }
      source.resume()
      sources.append(source)
    }
  }

  deinit {
    for source in sources { source.cancel() }
    for number in Self.caught { signal(number, SIG_DFL) }
  }

  /// Ends the process by the signal itself.
  package static func end(by number: Int32) {
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
