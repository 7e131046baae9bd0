/// Speaks sd_notify's protocol straight to `$NOTIFY_SOCKET`: a datagram of `NAME=value` lines.
package struct SystemdNotifier: Sendable {
  private let socket: UnixDatagram

  /// nil where nobody listens: no `$NOTIFY_SOCKET`, or one of a kind that this program can't reach.
  package init?(environment: [String: String]) {
    guard let name = environment["NOTIFY_SOCKET"], let socket = UnixDatagram(name: name, patience: 2) else {
      return nil
    }
    self.socket = socket
  }

  /// Sends a message; false if it did not arrive. Waits two seconds at most.
  @discardableResult
  package func send(_ lines: String...) -> Bool { socket.send(Array(lines.joined(separator: "\n").utf8)) }
}
