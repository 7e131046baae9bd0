import Foundation
import Glibc
import Synchronization

/// A request as the test server read it.
package struct SeenRequest: Sendable {
  /// The server's name.
  package let server: String
  package let method: String
  /// As sent, with the query.
  package let target: String
  /// Names in lower case.
  package let headers: [String: String]
  package let body: [UInt8]

  /// Without the query.
  package var path: String { String(target.prefix { $0 != "?" }) }
  /// The query's values by their names, decoded.
  package var query: [String: String] {
    let pairs = target.drop { $0 != "?" }.dropFirst().split(separator: "&").map {
      $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
        $0.removingPercentEncoding ?? ""
      }
    }
    return Dictionary(pairs.map { ($0[0], $0.count > 1 ? $0[1] : "") }) { first, _ in first }
  }
  /// Whether it says who asks.
  package var hasToken: Bool { headers["authorization"] != nil }
}

/// What the test server answers.
package struct CannedAnswer: Sendable {
  package var status: Int
  /// With a Content-Length, that is said in the place of the body's.
  package var headers: [String: String]
  package var body: [UInt8]
  /// The connection ends after so many bytes of the body.
  package var cutAfter: Int?
  /// Whether it then ends by a reset.
  package var isReset = false
  /// Seconds of silence where the connection would be cut.
  package var stall: Double?
  /// The answer is never sent.
  package var isLost = false

  package init(status: Int = 200, headers: [String: String] = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// An answer of JSON.
  package static func json(_ text: String, status: Int = 200, _ headers: [String: String] = [:])
    -> CannedAnswer
  {
    CannedAnswer(
      status: status, headers: headers.merging(["Content-Type": "application/json"]) { $1 },
      body: Array(text.utf8))
  }
}

/// A small HTTP server on a loopback address, a thread for each connection.
package final class TestServer: Sendable {
  private let name: String
  /// Such as `http://127.0.0.1:4711`.
  package let address: String
  private let descriptor: Int32
  private let handler: @Sendable (SeenRequest) -> CannedAnswer
  private let open = Mutex(true)

  /// There is no free port.
  package struct CannotListen: Error { let code: Int32 }

  /// Listens on a free port of `host`, an address in 127.0.0.0/8.
  package init(_ name: String, host: String, handler: @escaping @Sendable (SeenRequest) -> CannedAnswer)
    throws
  {
    self.name = name
    self.handler = handler
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    descriptor = listener
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    inet_pton(AF_INET, host, &place.sin_addr)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listens = withUnsafeMutablePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(listener, pointer, length) == 0 && listen(listener, 128) == 0
          && getsockname(listener, pointer, &length) == 0
      }
    }
    guard listens else { throw CannotListen(code: errno) }
    address = "http://\(host):\(UInt16(bigEndian: place.sin_port))"
    let thread = Thread { [self] in acceptAll() }
    thread.start()
  }

  /// Takes no more connections.
  package func stop() {
    guard
      open.withLock({ isOpen in
        defer { isOpen = false }; return isOpen
      })
    else { return }
    shutdown(descriptor, Int32(SHUT_RDWR))
  }

  private func acceptAll() {
    while true {
      let connection = accept(descriptor, nil, nil)
      guard connection >= 0 else { break }
      Thread { [self] in serve(connection) }.start()
    }
    close(descriptor)
  }

  private func serve(_ connection: Int32) {
    var one: Int32 = 1
    setsockopt(connection, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(4))
    var buffer: [UInt8] = []
    while let request = read(connection, &buffer) {
      guard send(handler(request), to: request, on: connection) else { break }
    }
    close(connection)
  }

  /// The next request; nil at the connection's end.
  private func read(_ connection: Int32, _ buffer: inout [UInt8]) -> SeenRequest? {
    let end = Array("\r\n\r\n".utf8)
    var headEnd = buffer.firstRange(of: end)
    while headEnd == nil {
      guard receive(connection, &buffer) else { return nil }
      headEnd = buffer.firstRange(of: end)
    }
    guard let headEnd else { return nil }
    let lines = String(decoding: buffer[..<headEnd.lowerBound], as: UTF8.self).split(separator: "\r\n")
    buffer.removeFirst(headEnd.upperBound)
    guard let first = lines.first?.split(separator: " "), first.count == 3 else { return nil }
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
        in: .whitespaces)
    }
    if headers["expect"]?.lowercased() == "100-continue" {
      guard sendAll(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)[...], on: connection) else { return nil }
    }
    let length = headers["content-length"].flatMap { Int($0) } ?? 0
    while buffer.count < length { guard receive(connection, &buffer) else { return nil } }
    let body = Array(buffer.prefix(length))
    buffer.removeFirst(length)
    return SeenRequest(
      server: name, method: String(first[0]), target: String(first[1]), headers: headers, body: body)
  }

  private func receive(_ connection: Int32, _ buffer: inout [UInt8]) -> Bool {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(connection, &chunk, chunk.count, 0)
    guard count > 0 else { return false }
    buffer += chunk[..<count]
    return true
  }

  /// Whether the connection goes on.
  private func send(_ answer: CannedAnswer, to request: SeenRequest, on connection: Int32) -> Bool {
    if answer.isLost { return false }
    var head = "HTTP/1.1 \(answer.status) Said\r\n"
    if answer.headers["Content-Length"] == nil { head += "Content-Length: \(answer.body.count)\r\n" }
    for (name, value) in answer.headers { head += "\(name): \(value)\r\n" }
    guard sendAll(Array((head + "\r\n").utf8)[...], on: connection), request.method != "HEAD" else {
      return request.method == "HEAD"
    }
    guard let cut = answer.cutAfter, cut < answer.body.count else {
      return sendAll(answer.body[...], on: connection) && answer.headers["Content-Length"] == nil
    }
    guard sendAll(answer.body[..<cut], on: connection) else { return false }
    if let stall = answer.stall { usleep(UInt32(stall * 1_000_000)) }
    if answer.isReset {
      var linger = linger(l_onoff: 1, l_linger: 0)
      setsockopt(connection, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    }
    return false
  }

  private func sendAll(_ bytes: ArraySlice<UInt8>, on connection: Int32) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }
}
