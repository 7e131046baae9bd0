import Foundation
import Synchronization

/// Lets connections to a test's PostgreSQL server through, and cuts them at chosen answers.
///
/// The protocol has messages of a type, a length and a body; an answer is what ends with `ReadyForQuery`. The first of a
/// connection is that to its beginning.
package final class CuttingProxy: Sendable {
  /// Where a connection ends.
  package enum Cut: CaseIterable, Sendable {
    /// What is asked for does not get to the server.
    case beforeRequest
    /// The server has done it, and nobody hears so.
    case beforeReply
    /// Only what was asked for next gets lost.
    case afterReply
  }

  private let folder = TemporaryFolder.unusedPath()
  private let server: PostgresServer
  private let listener: Int32
  private let next: @Sendable () -> (cut: Cut, answer: Int)?
  private let counted = Mutex(0)

  /// The system has no socket for it.
  package struct NoSocket: Error {}

  /// Starts one.
  /// - Parameters:
  ///   - server: what it is before.
  ///   - next: where the next connection is cut, at its how manieth answer; nil: nowhere.
  /// - Throws: `NoSocket`
  package init(
    before server: PostgresServer, cutting next: @escaping @Sendable () -> (cut: Cut, answer: Int)?
  ) throws {
    self.server = server
    self.next = next
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let listener = try Self.socket(at: folder + "/.s.PGSQL.6433", bind)
    guard listen(listener, 64) == 0 else { throw NoSocket() }
    self.listener = listener
    Thread { [weak self] in
      while let client = Self.accepted(on: listener) {
        guard let self else {
          close(client)
          break
        }
        serve(client)
      }
    }.start()
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// How many connections it has cut.
  package var cuts: Int { counted.withLock { $0 } }

  /// The way through it to a database of its server.
  /// - Parameter direct: the address without it.
  package func address(_ direct: String) -> String {
    direct.replacing("host=\(server.folder)", with: "host=\(folder)&port=6433")
  }

  private static func accepted(on listener: Int32) -> Int32? {
    let client = accept(listener, nil, nil)
    return client < 0 ? nil : client
  }

  /// A socket that is bound or connected to a path.
  private static func socket(
    at path: String, _ join: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) throws -> Int32 {
    let made = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
    let joined = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        join(made, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard made >= 0, joined == 0 else {
      close(made)
      throw NoSocket()
    }
    return made
  }

  /// Carries one connection, on a thread of its own.
  private func serve(_ client: Int32) {
    let cut = next()
    guard let upstream = try? Self.socket(at: server.folder + "/.s.PGSQL.5432", connect) else {
      close(client)
      return
    }
    Thread { [self] in
      if carry(client, upstream, cut) { counted.withLock { $0 += 1 } }
      close(client)
      close(upstream)
    }.start()
  }

  /// - Returns: whether it was cut.
  private func carry(_ client: Int32, _ upstream: Int32, _ cut: (cut: Cut, answer: Int)?) -> Bool {
    var answers = AnswerCounter()
    var ends = [client, upstream].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    while poll(&ends, 2, -1) >= 0 {
      if ends[0].revents != 0 {
        guard let bytes = Self.read(from: client) else { return false }
        if let cut, cut.cut == .beforeRequest, answers.count + 1 >= cut.answer { return true }
        guard Self.write(bytes, to: upstream) else { return false }
      }
      if ends[1].revents != 0 {
        guard let bytes = Self.read(from: upstream) else { return false }
        let last = cut.flatMap { answers.add(bytes, until: $0.answer) }
        switch (cut?.cut, last) {
        case (.beforeReply, _?): return true
        case (.afterReply, let last?):
          _ = Self.write(Array(bytes.prefix(last)), to: client)
          return true
        default: break
        }
        guard Self.write(bytes, to: client) else { return false }
      }
    }
    return false
  }

  private static func read(from end: Int32) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = Glibc.read(end, &buffer, buffer.count)
    return count > 0 ? Array(buffer.prefix(count)) : nil
  }

  private static func write(_ bytes: [UInt8], to end: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { send(end, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }
}

/// Counts the answers in what a server says.
private struct AnswerCounter {
  private(set) var count = 0
  /// Of the message at hand.
  private var header: [UInt8] = []
  private var left = 0

  /// Takes in what came.
  /// - Returns: how many of these bytes belong to the answers up to a wanted one, if it ends in them.
  mutating func add(_ bytes: [UInt8], until wanted: Int) -> Int? {
    var found: Int?
    var position = 0
    while position < bytes.count {
      if left > 0 {
        let taken = min(left, bytes.count - position)
        left -= taken
        position += taken
      } else {
        header.append(bytes[position])
        position += 1
        guard header.count == 5 else { continue }
        left = max(0, header[1...].reduce(0) { $0 << 8 | Int($1) } - 4)
      }
      guard left == 0, header.count == 5 else { continue }
      if header[0] == UInt8(ascii: "Z") {
        count += 1
        if count == wanted { found = position }
      }
      header = []
    }
    return found
  }
}
