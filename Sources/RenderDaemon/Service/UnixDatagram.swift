import Foundation

/// The receiver of datagrams on this machine: a socket in the file system, or one with an abstract name.
struct UnixDatagram: Sendable {
  /// The bytes of `sun_path`; an abstract name begins with a zero byte.
  private let address: [UInt8]
  /// Seconds that a send waits at most, because a stuck listener must not stop a render.
  private let patience: Double

  /// nil for a name that is neither a path nor an abstract name.
  /// - Parameters:
  ///   - name: a path, or an abstract name, which begins with `@`.
  ///   - patience: seconds that a send waits at most.
  init?(name: String, patience: Double) {
    var bytes = [UInt8](name.utf8)
    guard let first = bytes.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@") else {
      return nil
    }
    if first == UInt8(ascii: "@") { bytes[0] = 0 }
    guard bytes.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else { return nil }
    address = bytes
    self.patience = patience
  }

  /// Sends one datagram; false if it did not arrive.
  func send(_ message: [UInt8]) -> Bool {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let seconds = patience.rounded(.down)
    var limit = timeval(tv_sec: Int(seconds), tv_usec: Int((patience - seconds) * 1e6))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout.size(ofValue: limit)))
    var target = sockaddr_un()
    target.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: address) }
    // The length ends an abstract name, which has no zero byte at its end. It may end a path too.
    let length = socklen_t(MemoryLayout.size(ofValue: target.sun_family) + address.count)
    let sent = withUnsafePointer(to: target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
    return sent == message.count
  }
}
