import Foundation

/// Speaks sd_notify's protocol straight to `$NOTIFY_SOCKET`: a datagram of `NAME=value` lines.
package struct SystemdNotifier: Sendable {
  /// The bytes of `sun_path`; an abstract name begins with a zero byte.
  private let address: [UInt8]

  /// nil where nobody listens: no `$NOTIFY_SOCKET`, or one of a kind that this program can't reach.
  package init?(environment: [String: String]) {
    guard let name = environment["NOTIFY_SOCKET"] else { return nil }
    var bytes = [UInt8](name.utf8)
    guard let first = bytes.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@") else {
      return nil
    }
    if first == UInt8(ascii: "@") { bytes[0] = 0 }
    guard bytes.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else { return nil }
    address = bytes
  }

  /// Sends a message; false if it did not arrive. Waits two seconds at most: a stuck manager must not
  /// stop a render.
  @discardableResult
  package func send(_ lines: String...) -> Bool {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var patience = timeval(tv_sec: 2, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout.size(ofValue: patience)))
    var target = sockaddr_un()
    target.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: address) }
    // An abstract name ends where its length says; a path may do so, too.
    let length = socklen_t(MemoryLayout.size(ofValue: target.sun_family) + address.count)
    let message = [UInt8](lines.joined(separator: "\n").utf8)
    let sent = withUnsafePointer(to: target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
    return sent == message.count
  }
}
