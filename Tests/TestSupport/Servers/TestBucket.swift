import Boundary
import Foundation
import Synchronization

/// A bucket of S3 on loopback, as small as it can be: it has objects, checks every signature, and never replaces an
/// object.
///
///     let bucket = try TestBucket()
///     bucket.faults.withLock { $0 = [.status(500)] }
package final class TestBucket: Sendable {
  /// What goes wrong with one request for an object. Each is used once, in order.
  package enum Fault: Sendable {
    /// An answer of this status.
    case status(Int)
    /// The connection ends after so many bytes.
    case cut(after: Int)
    /// So many other bytes in the place of the object's.
    case others(count: Int)
    /// The object's bytes, after a head that says there are so many.
    case length(Int)
    /// The request is carried out, and the answer lost.
    case lost
    /// An error of this code, after a status that says that all is well.
    case wrong(String)
    /// None.
    case right
  }

  /// The key and the secret that signatures are made with.
  package static let key = "AKIDEXAMPLE"
  /// See `key`.
  package static let secret = "wJalr/XUtnFEMI+K7MDENG"
  /// Its name.
  package static let name = "bucket"

  /// By their keys.
  package let objects = Mutex<[String: [UInt8]]>([:])
  /// For the next requests that get or put an object, or that have to do with its parts.
  package let faults = Mutex<[Fault]>([])
  /// Those that are open.
  package let uploads = Mutex(TestUploads())
  /// Called with each request before it is carried out.
  package let meanwhile = Mutex<(@Sendable (SeenRequest) -> Void)?>(nil)
  /// All requests, but those whose signature is wrong.
  package let requests = Mutex<[SeenRequest]>([])
  /// A token that must come along; nil: none must.
  private let session: String?
  private let server = Mutex<TestServer?>(nil)
  /// The service's address.
  package let endpoint: String

  /// - Parameter session: a token that must come along.
  /// - Throws: `TestServer.CannotListen`
  package init(session: String? = nil) throws {
    self.session = session
    let shared = Weak()
    let server = try TestServer("s3", host: "127.0.0.1") { request in
      shared.bucket.withLock { $0.value }?.answer(request) ?? CannedAnswer(status: 503)
    }
    endpoint = server.address
    self.server.withLock { $0 = server }
    shared.bucket.withLock { $0.value = self }
  }

  private final class Weak: Sendable {
    struct Reference { weak var value: TestBucket? }
    let bucket = Mutex(Reference())
  }

  deinit { server.withLock { $0?.stop() } }

  /// The variables of a program that uses it.
  package var environment: [String: String] {
    [
      "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": Self.key, "AWS_SECRET_ACCESS_KEY": Self.secret,
      "no_proxy": "127.0.0.1",
    ].merging(session.map { ["AWS_SESSION_TOKEN": $0] } ?? [:]) { $1 }
  }

  /// How often a method was asked for.
  package func count(_ method: String) -> Int { requests.withLock { $0.count { $0.method == method } } }

  private func answer(_ request: SeenRequest) -> CannedAnswer {
    guard let problem = signatureFault(request) else {
      requests.withLock { $0.append(request) }
      meanwhile.withLock { $0 }?(request)
      return carryOut(request)
    }
    return refusal(problem == "XAmzContentSHA256Mismatch" ? 400 : 403, problem)
  }

  private func refusal(_ status: Int, _ code: String) -> CannedAnswer {
    // As S3 does, it repeats the key.
    CannedAnswer(
      status: status, headers: ["Content-Type": "application/xml"],
      body: Array(
        "<?xml version=\"1.0\"?>\n<Error><Code>\(code)</Code><AWSAccessKeyId>\(Self.key)</AWSAccessKeyId></Error>"
          .utf8))
  }

  private func carryOut(_ request: SeenRequest) -> CannedAnswer {
    let parts = request.path.split(separator: "/", maxSplits: 1).map(String.init)
    guard parts.count == 2, parts[0] == Self.name else { return refusal(404, "NoSuchBucket") }
    let key = parts[1]
    if request.method == "HEAD" {
      guard let bytes = objects.withLock({ $0[key] }) else { return CannedAnswer(status: 404) }
      return CannedAnswer(body: bytes)
    }
    let fault = faults.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    if case .status(let status) = fault { return refusal(status, "Trouble") }
    if case .wrong(let code) = fault { return refusal(200, code) }
    let query = request.query
    var answer: CannedAnswer
    switch request.method {
    case "POST" where query["uploads"] == "":
      let name = uploads.withLock { $0.begin(key) }.replacing("&", with: "&amp;")
      answer = CannedAnswer(body: Array("<X>\n<UploadId>\(name)</UploadId></X>".utf8))
    case "POST": answer = complete(request, key, query["uploadId"] ?? "")
    case "DELETE":
      let isThere = uploads.withLock { $0.giveUp(query["uploadId"] ?? "", key) }
      answer = isThere ? CannedAnswer(status: 204) : refusal(404, "NoSuchUpload")
    case "PUT" where query["uploadId"] != nil:
      let number = Int(query["partNumber"] ?? "") ?? 0
      let tag = uploads.withLock { $0.take(number, of: query["uploadId"] ?? "", key, request.body) }
      answer = tag.map { CannedAnswer(headers: ["ETag": $0]) } ?? refusal(404, "NoSuchUpload")
    case "PUT": answer = put(request, key)
    default: answer = get(request, key, fault)
    }
    if case .lost = fault { answer.isLost = true }
    if case .cut(let bytes) = fault { answer.cutAfter = bytes }
    if case .length(let bytes) = fault { answer.headers["Content-Length"] = "\(bytes)" }
    return answer
  }

  private func put(_ request: SeenRequest, _ key: String) -> CannedAnswer {
    guard request.headers["if-none-match"] == "*" else { return refusal(400, "NotConditional") }
    return objects.withLock { objects in
      guard objects[key] == nil else { return refusal(412, "PreconditionFailed") }
      objects[key] = request.body
      return CannedAnswer()
    }
  }

  /// As S3 does, it says that all is well before it looks.
  private func complete(_ request: SeenRequest, _ key: String, _ upload: String) -> CannedAnswer {
    guard request.headers["if-none-match"] == "*" else { return refusal(400, "NotConditional") }
    let pattern = #/<Part><PartNumber>(\d+)<\/PartNumber><ETag>([^<]+)<\/ETag><\/Part>/#
    let tags = String(decoding: request.body, as: UTF8.self).matches(of: pattern).map {
      (number: Int($0.output.1) ?? 0, tag: String($0.output.2))
    }
    return uploads.withLock { uploads in
      guard uploads.has(upload, key) else { return refusal(404, "NoSuchUpload") }
      guard let bytes = uploads.bytes(of: upload, tags: tags) else { return refusal(200, "InvalidPart") }
      return objects.withLock { objects in
        guard objects[key] == nil else { return refusal(412, "PreconditionFailed") }
        objects[key] = bytes
        _ = uploads.giveUp(upload, key)
        let spaces = String(repeating: " ", count: 10_000)
        let name = "CompleteMultipartUploadResult"
        return CannedAnswer(
          body: Array("<?xml version=\"1.0\"?>\(spaces)<\(name)><ETag>x</ETag></\(name)>".utf8))
      }
    }
  }

  private func get(_ request: SeenRequest, _ key: String, _ fault: Fault?) -> CannedAnswer {
    guard var bytes = objects.withLock({ $0[key] }) else { return refusal(404, "NoSuchKey") }
    if case .others(let count) = fault { bytes = Array(repeating: 1, count: count) }
    guard let range = request.headers["range"] else { return CannedAnswer(body: bytes) }
    guard let start = range.wholeMatch(of: #/bytes=(\d+)-/#).flatMap({ Int($0.output.1) }),
      start < bytes.count
    else { return CannedAnswer(status: 416, headers: ["Content-Range": "bytes */\(bytes.count)"]) }
    return CannedAnswer(
      status: 206, headers: ["Content-Range": "bytes \(start)-\(bytes.count - 1)/\(bytes.count)"],
      body: Array(bytes[start...]))
  }

  // MARK: - Signatures

  /// What is wrong with a request's signature (AWS Signature Version 4), in the service's word; nil: nothing.
  private func signatureFault(_ request: SeenRequest) -> String? {
    let pattern =
      #/AWS4-HMAC-SHA256 Credential=([^\/]+)\/(\d{8})\/([a-z0-9-]+)\/s3\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})/#
    guard let match = request.headers["authorization"]?.wholeMatch(of: pattern),
      let time = request.headers["x-amz-date"], let payload = request.headers["x-amz-content-sha256"],
      time.hasPrefix(match.output.2)
    else { return "MissingSecurityHeader" }
    guard match.output.1 == Self.key else { return "InvalidAccessKeyId" }
    guard session == nil || request.headers["x-amz-security-token"] == session else { return "InvalidToken" }
    guard payload == Digest.hexadecimal(of: request.body) else { return "XAmzContentSHA256Mismatch" }
    let names = match.output.4.split(separator: ";").map(String.init)
    let needed =
      ["host"] + request.headers.keys.filter { $0.hasPrefix("x-amz-") }
      + (request.headers["if-none-match"] == nil ? [] : ["if-none-match"])
    guard names == names.sorted(), needed.allSatisfy(names.contains),
      names.allSatisfy({ request.headers[$0] != nil })
    else { return "SignatureDoesNotMatch" }
    let lines = names.map { "\($0):\(request.headers[$0] ?? "")\n" }.joined()
    let query = request.query.map { "\(Self.encoded($0.key))=\(Self.encoded($0.value))" }.sorted()
    let canonical = [
      request.method, request.path, query.joined(separator: "&"), lines, names.joined(separator: ";"),
      payload,
    ]
    .joined(separator: "\n")
    let scope = "\(match.output.2)/\(match.output.3)/s3/aws4_request"
    let text = ["AWS4-HMAC-SHA256", time, scope, Digest.hexadecimal(of: Array(canonical.utf8))]
      .joined(separator: "\n")
    let key = [String(match.output.2), String(match.output.3), "s3", "aws4_request"].reduce(
      Array("AWS4\(Self.secret)".utf8)
    ) { Self.hmac($0, Array($1.utf8)) }
    let signature = Self.hmac(key, Array(text.utf8)).map {
      String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
    }
    return signature.joined() == match.output.5 ? nil : "SignatureDoesNotMatch"
  }

  /// As a signature has a query's names and values (RFC 3986).
  private static func encoded(_ text: String) -> String {
    let plain = CharacterSet(
      charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
    return text.addingPercentEncoding(withAllowedCharacters: plain) ?? ""
  }

  /// HMAC-SHA256 (RFC 2104).
  private static func hmac(_ key: [UInt8], _ text: [UInt8]) -> [UInt8] {
    let short = key.count > 64 ? sha256(key) : key
    let block = short + Array(repeating: 0, count: 64 - short.count)
    return sha256(block.map { $0 ^ 0x5C } + sha256(block.map { $0 ^ 0x36 } + text))
  }

  private static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var digest = Digest()
    digest.add(bytes)
    return digest.bytes()
  }
}
