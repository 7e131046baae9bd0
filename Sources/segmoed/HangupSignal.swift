import Dispatch
import Foundation

/// Runs something at every SIGHUP, on a queue of its own.
struct HangupSignal {
  private let source: any DispatchSourceSignal

  init(_ body: @escaping @Sendable () -> Void) {
    // Or it would end the process before the source hears of it.
    signal(SIGHUP, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: DispatchQueue(label: "segmoed-hangup"))
    source.setEventHandler(handler: body)
    source.resume()
  }

  /// Hears no more.
  func end() { source.cancel() }
}
