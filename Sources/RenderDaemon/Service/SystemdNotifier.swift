/// Sends sd_notify's messages to `$NOTIFY_SOCKET`: datagrams of `NAME=value` lines.
package struct SystemdNotifier: Sendable {
  private let socket: UnixDatagram

  /// nil if there is no `$NOTIFY_SOCKET`, or one of a kind that this program cannot reach.
  package init?(environment: [String: String]) {
    guard let name = environment["NOTIFY_SOCKET"], let socket = UnixDatagram(name: name, patience: 2) else {
      return nil
    }
    self.socket = socket
  }

  /// Sends a message, waiting at most two seconds.
  /// - Returns: false if it did not arrive.
  @discardableResult
  package func send(_ lines: String...) -> Bool { socket.send(Array(lines.joined(separator: "\n").utf8)) }
}
