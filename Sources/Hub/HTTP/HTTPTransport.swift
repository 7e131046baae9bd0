import Synchronization

/// Carries one request out: libcurl, or what a test puts in its place. Blocks the calling thread.
package protocol HTTPTransport: Sendable {
  /// Sends `request` and reads its answer; never follows a redirect.
  /// - Parameters:
  ///   - request: what to send.
  ///   - sink: takes the body if it accepts the head; otherwise the body is collected.
  /// - Throws: `TransportError`, or what the sink threw.
  func send(_ request: HTTPRequest, into sink: (any BodySink)?) throws -> HTTPAnswer
}

/// Takes the body of an answer as it comes. Slow sinks slow the sender down.
package protocol BodySink: AnyObject {
  /// Whether the body of this answer is for the sink.
  /// - Throws: to end the transfer.
  func accepts(_ head: HTTPHead) throws -> Bool
  /// The next bytes.
  /// - Throws: to end the transfer.
  func take(_ bytes: UnsafeRawBufferPointer) throws
}

/// Why there was no answer, or no whole one.
package enum TransportError: Error, Sendable, Equatable {
  /// No connection: no such host, nobody listens, no route.
  case unreachable(host: String, reason: String)
  /// Nothing came, or was taken, for as long as the request's patience allows.
  case silent(host: String, reason: String)
  /// The connection ended in the middle.
  case broken(host: String, reason: String)
  /// The server's certificate is not one that this machine trusts.
  case untrusted(host: String, reason: String)
  /// The stop flag was set.
  case stopped
  /// Anything else that libcurl says; trying again would not help.
  case refused(host: String, reason: String)
}

/// A flag that any thread may set, and transfers look at.
package final class StopFlag: Sendable {
  private let value = Atomic(false)

  package init() {}

  /// Ends what looks at it.
  package func set() { value.store(true, ordering: .relaxed) }

  /// Whether it was set.
  package var isSet: Bool { value.load(ordering: .relaxed) }
}
