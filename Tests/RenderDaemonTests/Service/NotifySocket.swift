import Foundation
import TestSupport
import Testing

/// A service manager's end of `$NOTIFY_SOCKET`.
final class NotifySocket {
  /// As in the environment.
  let name: String
  private let descriptor: Int32

  /// - Parameter isAbstract: a name without a file.
  init(isAbstract: Bool = false) throws {
    let path = TemporaryFolder.unusedPath(".socket")
    name = isAbstract ? "@\(path.dropFirst())" : path
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = [UInt8](name.utf8)
    if isAbstract { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let length = socklen_t(2 + bytes.count)
    let bound = withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    try #require(bound == 0, "bind: \(errno)")
  }

  deinit {
    close(descriptor)
    if name.hasPrefix("/") { unlink(name) }
  }

  /// The next message; nil if none comes in time.
  func receive(within seconds: Double = Patience.seconds) -> String? {
    var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&ready, 1, Int32(seconds * 1000)) == 1 else { return nil }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
  }

  /// All messages up to the first that contains a text.
  func receive(until text: String, within seconds: Double = Patience.seconds) -> [String] {
    var messages: [String] = []
    let end = Date(timeIntervalSinceNow: seconds)
    while Date() < end, let message = receive(within: max(0, end.timeIntervalSinceNow)) {
      messages.append(message)
      if message.contains(text) { break }
    }
    return messages
  }
}
