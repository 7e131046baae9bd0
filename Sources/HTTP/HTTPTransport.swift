import Synchronization

/// Sends requests: with libcurl, or in a test with something else. It blocks the calling thread.
package protocol HTTPTransport: Sendable {
  /// Sends `request` and reads the answer. It never follows a redirect.
  /// - Parameters:
  ///   - request: what to send.
  ///   - sink: takes the body if it accepts the head. Otherwise the body is collected.
  /// - Throws: `TransportError`, or what the sink threw.
  func send(_ request: HTTPRequest, into sink: (any BodySink)?) throws -> HTTPAnswer
}

/// Takes the body of an answer piece by piece. A slow sink slows the sender down.
package protocol BodySink: AnyObject {
  /// Whether the sink takes the body of this answer.
  /// - Throws: any error, to end the transfer.
  func accepts(_ head: HTTPHead) throws -> Bool
  /// Takes the next bytes.
  /// - Throws: any error, to end the transfer.
  func take(_ bytes: UnsafeRawBufferPointer) throws
}

/// Why there is no complete answer.
package enum TransportError: Error, Sendable, Equatable {
  /// There was no connection: no such host, no server on the port, or no route.
  case unreachable(host: String, reason: String)
  /// No byte was received or sent for as long as the request's patience allows.
  case silent(host: String, reason: String)
  /// The connection ended before the end of the answer.
  case broken(host: String, reason: String)
  /// This machine does not trust the server's certificate.
  case untrusted(host: String, reason: String)
  /// The stop flag was set.
  case stopped
  /// Any other error of libcurl. Trying again would not help.
  case refused(host: String, reason: String)
}

/// A flag that any thread may set. Transfers check it and end.
package final class StopFlag: Sendable {
  private let value = Atomic(false)

  package init() {}

  /// Ends everything that checks the flag.
  package func set() { value.store(true, ordering: .relaxed) }

  /// Whether it has been set.
  package var isSet: Bool { value.load(ordering: .relaxed) }
}
