import CCurlShim
import Glibc
import Synchronization

/// Requests by libcurl's easy interface. Handles are kept, with their connections, for the next request.
package final class CurlTransport: HTTPTransport {
  /// What a handle is set up with besides the request.
  package struct Trust: Sendable {
    /// A file of certificates in place of the system's.
    package var certificates: String?
    /// A folder of them.
    package var folder: String?

    package init(certificates: String? = nil, folder: String? = nil) {
      self.certificates = certificates
      self.folder = folder
    }
  }

  private let trust: Trust
  private let idle = Mutex<[CurlHandle]>([])

  /// libcurl must be started before any thread uses it.
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

/// One request under way: takes headers and body from libcurl, gives it what is sent. Used by one thread.
final class CurlTransfer {
  private let request: HTTPRequest
  private let sink: (any BodySink)?
  private var status = 0
  private var headers: [HTTPHeader] = []
  private var collected: [UInt8] = []
  /// Whether the sink takes the body; nil until the first byte of one.
  private var isSinking: Bool?
  private var error: (any Error)?
  private var sent = 0

  /// A longer answer than this was never meant for us.
  private static let mostCollected = 64 << 20
  /// Of an error only the beginning is of use.
  private static let mostOfAnError = 64 << 10

  init(_ request: HTTPRequest, sink: (any BodySink)?) {
    self.request = request
    self.sink = sink
  }

  var isStopped: Bool { request.stop?.isSet ?? false }

  /// - Throws: what ended the transfer from this side.
  func rethrow() throws {
    if let error { throw error }
  }

  func answer() throws -> HTTPAnswer {
    // An answer without a body still has to be accepted.
    if isSinking == nil, let sink { _ = try sink.accepts(head) }
    return HTTPAnswer(head: head, body: collected)
  }

  private var head: HTTPHead { HTTPHead(status: status, headers: headers) }

  /// A line of the head; a status line begins a new one (after 100 Continue).
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

  /// Whether the transfer goes on.
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

  /// Goes back to a byte of what is sent, for a connection that has to be made anew.
  func seek(to offset: Int) { sent = offset }

  /// What is sent, in bytes; nil if nothing is.
  var bodyCount: Int? {
    switch request.body {
    case .none: nil
    case .bytes(let bytes): bytes.count
    case .file(_, _, let count): count
    }
  }
}
