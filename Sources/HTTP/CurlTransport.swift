import CCurlShim
import Glibc
import Requests
import Synchronization

/// Sends requests with libcurl. Handles are kept with their connections for the next request.
package final class CurlTransport: HTTPTransport {
  /// The certificates that are trusted.
  package struct Trust: Sendable {
    /// A file of certificates that replaces the system's.
    package var certificates: String?
    /// A folder of certificates that replaces the system's.
    package var folder: String?

    package init(certificates: String? = nil, folder: String? = nil) {
      self.certificates = certificates
      self.folder = folder
    }
  }

  private let trust: Trust
  private let idle = Mutex<[CurlHandle]>([])

  /// Starts libcurl, before any thread uses it.
  private static let started = curl_shim_begin()

  package init(trust: Trust = Trust()) { self.trust = trust }

  /// - Throws: `TransportError`, or what the sink threw.
  package func send(_ request: HTTPRequest, into sink: (any BodySink)?) throws -> HTTPAnswer {
    let handle = try handle(for: request)
    defer { idle.withLock { $0.append(handle) } }
    let transfer = CurlTransfer(request, sink: sink)
    handle.prepare(for: request, trust: trust, transfer: transfer)
    let code = handle.perform()
    try transfer.rethrow()
    guard code == CURLE_OK else {
      if request.stop?.isSet == true { throw TransportError.stopped }
      throw handle.error(code, host: request.address.host)
    }
    return try transfer.answer()
  }

  private func handle(for request: HTTPRequest) throws -> CurlHandle {
    if let handle = idle.withLock({ $0.popLast() }) { return handle }
    guard Self.started == CURLE_OK, let handle = CurlHandle() else {
      throw TransportError.refused(host: request.address.host, reason: "libcurl could not be started")
    }
    return handle
  }
}

/// A request that is being sent. It takes the answer's header lines and body from libcurl, and gives it the body to
/// send. Only one thread uses it.
final class CurlTransfer {
  private let request: HTTPRequest
  private let sink: (any BodySink)?
  private var status = 0
  private var headers: [HTTPHeader] = []
  private var collected: [UInt8] = []
  /// Whether the sink takes the body; nil until the body begins.
  private var isSinking: Bool?
  private var error: (any Error)?
  private var sent = 0

  /// The longest answer that is collected in memory.
  private static let mostCollected = 64 << 20
  /// The longest beginning of an error's body that is kept.
  private static let mostOfAnError = 64 << 10

  init(_ request: HTTPRequest, sink: (any BodySink)?) {
    self.request = request
    self.sink = sink
  }

  var isStopped: Bool { request.stop?.isSet ?? false }

  /// - Throws: the error with which this side ended the transfer.
  func rethrow() throws {
    if let error { throw error }
  }

  func answer() throws -> HTTPAnswer {
    // The sink has to accept an answer without a body, too.
    if isSinking == nil, let sink { _ = try sink.accepts(head) }
    return HTTPAnswer(head: head, body: collected)
  }

  private var head: HTTPHead { HTTPHead(status: status, headers: headers) }

  /// Takes a header line. A status line begins a new head, as after 100 Continue.
  func takeHeader(_ bytes: UnsafeRawBufferPointer) {
    let line = String(decoding: bytes, as: UTF8.self).trimming(while: \.isWhitespace)
    if line.hasPrefix("HTTP/") {
      status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
      headers = []
    } else if let colon = line.firstIndex(of: ":") {
      let value = String(line[line.index(after: colon)...]).trimming(while: \.isWhitespace)
      headers.append(HTTPHeader(String(line[..<colon]), String(value)))
    }
  }

  /// Takes a piece of the body.
  /// - Returns: whether the transfer continues.
  func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    do {
      if isSinking == nil { isSinking = try sink?.accepts(head) ?? false }
      if isSinking == true {
        try sink?.take(bytes)
      } else {
        let most = status < 300 ? Self.mostCollected : Self.mostOfAnError
        collected.append(contentsOf: bytes.prefix(max(0, most - collected.count)))
        if status < 300, collected.count == most {
          throw TransportError.refused(host: request.address.host, reason: "the answer has no end")
        }
      }
      return true
    } catch {
      self.error = error
      return false
    }
  }

  /// Fills `room` with the next bytes to send; nil if they cannot be read.
  func give(_ room: UnsafeMutableRawBufferPointer) -> Int? {
    switch request.body {
    case .none: return 0
    case .bytes(let bytes):
      let count = min(room.count, bytes.count - sent)
      bytes.withUnsafeBytes {
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[sent..<sent + count]))
      }
      sent += count
      return count
    case .file(let descriptor, let offset, let total):
      let wanted = min(room.count, total - sent)
      guard wanted > 0 else { return 0 }
      let count = pread(descriptor, room.baseAddress, wanted, off_t(offset + sent))
      guard count > 0 else { return nil }
      sent += count
      return count
    }
  }

  /// Goes back to a byte of the body to send, after a new connection was made.
  func seek(to offset: Int) { sent = offset }

  /// The size of the body to send; nil if there is none.
  var bodyCount: Int? {
    switch request.body {
    case .none: nil
    case .bytes(let bytes): bytes.count
    case .file(_, _, let count): count
    }
  }
}
