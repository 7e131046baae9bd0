import Boundary
import HTTP

/// A bucket of S3, or of a service that speaks it. libcurl signs the requests.
struct S3Store: ObjectStore {
  let bucket: String
  /// What all keys begin with.
  let prefix: String
  let settings: S3Settings
  let transport: any HTTPTransport
  /// How often and when to try again.
  let pace: RetryPace
  let stop: StopFlag

  /// The largest object that is sent in one piece.
  private static let largest = 5 << 30
  private static let emptyDigest = Digest.hexadecimal(of: [])

  var place: String { "s3://\(bucket)" + (prefix.isEmpty ? "" : "/\(prefix.dropLast())") }

  func add(_ body: ObjectBody, as key: String) throws {
    guard body.count <= Self.largest else {
      throw SharedError.tooLarge(name: body.name, bytes: body.count, most: Self.largest)
    }
    // What is there need not be sent to be refused.
    if let size = try size(of: key) {
      guard size == body.count else {
        throw SharedError.damaged(
          name: body.name, place: place, reason: "\(size) bytes, not \(body.count)")
      }
      return
    }
    let content: HTTPRequest.Body =
      switch body.content {
      case .bytes(let bytes): .bytes(bytes)
      case .file(let descriptor): .file(descriptor: descriptor, offset: 0, count: body.count)
      }
    // The service compares the digest with what it gets.
    var put = try request(.put, key, digest: body.digest)
    put.headers.append(HTTPHeader("If-None-Match", "*"))
    put.headers.append(HTTPHeader("Content-Type", "application/octet-stream"))
    put.body = content
    put.patience.silence = 120
    let answer = try send(put)
    switch answer.head.status {
    // 412: somebody was quicker.
    case 200..<300, 412: return
    case 400 where ["XAmzContentSHA256Mismatch", "BadDigest", "IncompleteBody"].contains(code(of: answer)):
      throw SharedError.file(path: body.name, reason: "changed while it was sent: try again")
    case 501:
      throw SharedError.refused(
        place: place, reason: "the service knows no conditional writes (If-None-Match), which are needed")
    default: throw refusal(answer)
    }
  }

  func read(_ key: String, called name: String, into file: IncomingFile) throws {
    var retries = Retries(pace, stop: stop)
    while !file.isWhole {
      let before = file.count
      var get = try request(.get, key, digest: Self.emptyDigest)
      if file.count > 0 { get.headers.append(HTTPHeader("Range", "bytes=\(file.count)-")) }
      let sink = ObjectSink(file, place: place)
      let failure: SharedError
      do {
        let answer = try transport.send(get, into: sink)
        switch answer.head.status {
        case 200, 206:
          if file.isWhole { return }
          failure = .unreachable(place: place, reason: "\(name) ended at byte \(file.count)")
        // An earlier try left all bytes, or more than there are.
        case 416:
          if let total = ContentRange(answer.head["content-range"] ?? "")?.total, total == file.count {
            return try file.expect(total: total)
          }
          try file.restart()
          failure = .unreachable(place: place, reason: "it does not know the rest of \(name)")
        case 404 where code(of: answer) != "NoSuchBucket": throw SharedError.missing(name: name, place: place)
        default:
          guard let passing = passing(answer) else { throw refusal(answer) }
          failure = passing
        }
      } catch let error as TransportError {
        failure = try passing(error)
      }
      if file.count > before { retries.progressed() }
      guard try again(&retries) else { throw failure }
    }
  }

  /// Bytes; nil: it is not there, or nobody may know.
  private func size(of key: String) throws -> Int? {
    let answer = try send(try request(.head, key, digest: Self.emptyDigest))
    switch answer.head.status {
    case 200: return answer.head["content-length"].flatMap { Int($0) }
    // Who may not list a bucket is told 403 of what is not there.
    case 404, 403: return nil
    default: throw refusal(answer)
    }
  }

  private func request(_ method: HTTPRequest.Method, _ key: String, digest: String) throws -> HTTPRequest {
    var request = HTTPRequest(
      method, try settings.address(of: prefix + key, in: bucket),
      headers: [HTTPHeader("x-amz-content-sha256", digest)], stop: stop)
    if let session = settings.session {
      request.headers.append(HTTPHeader("x-amz-security-token", session))
    }
    request.signing = settings.signing
    return request
  }

  /// Sends a request again while what is wrong may pass.
  private func send(_ request: HTTPRequest) throws -> HTTPAnswer {
    var retries = Retries(pace, stop: stop)
    while true {
      let failure: SharedError
      do {
        let answer = try transport.send(request, into: nil)
        guard let passing = passing(answer) else { return answer }
        failure = passing
      } catch let error as TransportError {
        failure = try passing(error)
      }
      guard try again(&retries) else { throw failure }
    }
  }

  private func again(_ retries: inout Retries) throws -> Bool {
    do throws(TransportError) {
      return try retries.pause()
    } catch {
      throw SharedError.stopped
    }
  }

  /// nil: coming again would not help.
  private func passing(_ answer: HTTPAnswer) -> SharedError? {
    switch answer.head.status {
    // 409: two put it at once.
    case 408, 409, 429, 500, 502, 503, 504:
      .unreachable(place: place, reason: "it answers \(answer.head.status)\(words(answer))")
    default: nil
    }
  }

  private func passing(_ error: TransportError) throws -> SharedError {
    switch error {
    case .unreachable(let host, let reason), .silent(let host, let reason), .broken(let host, let reason):
      return .unreachable(place: place, reason: PlainText.line("\(host): \(reason)"))
    case .untrusted(let host, let reason):
      throw SharedError.refused(
        place: place,
        reason: PlainText.line(
          "the certificate of \(host) is not trusted here (\(reason)); name its authority with AWS_CA_BUNDLE")
      )
    case .refused(let host, let reason):
      throw SharedError.refused(place: place, reason: PlainText.line("\(host): \(reason)"))
    case .stopped: throw SharedError.stopped
    }
  }

  private func refusal(_ answer: HTTPAnswer) -> SharedError {
    let status = answer.head.status
    switch status {
    case 401, 403:
      return .forbidden(place: place, reason: "it answers \(status)\(words(answer))")
    case 404: return .refused(place: place, reason: "there is no such bucket: make it, or name another")
    case 301, 307, 308, 400:
      let other = answer.head["x-amz-bucket-region"].map { PlainText.line($0, limit: 40) }
      if let other, other != settings.region {
        return .refused(place: place, reason: "the bucket is in \(other): set AWS_REGION=\(other)")
      }
      return .refused(
        place: place, reason: "it answers \(status)\(words(answer)): look at AWS_REGION and AWS_ENDPOINT_URL")
    default: return .refused(place: place, reason: "it answers \(status)\(words(answer))")
    }
  }

  /// The service's word for what is wrong. Only this: the rest of the answer may repeat the key.
  private func code(of answer: HTTPAnswer) -> String? {
    let text = String(decoding: answer.body.prefix(4096), as: UTF8.self)
    return text.firstMatch(of: #/<Code>([A-Za-z0-9]{1,60})<\/Code>/#).map { String($0.output.1) }
  }

  private func words(_ answer: HTTPAnswer) -> String { code(of: answer).map { " (\($0))" } ?? "" }
}

/// Appends the body of an answer to a file, if it is what was asked for.
private final class ObjectSink: BodySink {
  private let file: IncomingFile
  private let place: String

  init(_ file: IncomingFile, place: String) {
    self.file = file
    self.place = place
  }

  func accepts(_ head: HTTPHead) throws -> Bool {
    guard head.status == 200 || head.status == 206 else { return false }
    if head.status == 206 {
      guard let range = ContentRange(head["content-range"] ?? ""), range.start == file.count,
        let total = range.total
      else { throw SharedError.refused(place: place, reason: "it sends other bytes than asked for") }
      try file.expect(total: total)
    } else {
      // It sends all, whatever was asked for.
      if file.count > 0 { try file.restart() }
      guard let total = head["content-length"].flatMap({ Int($0) }), total >= 0 else {
        throw SharedError.refused(place: place, reason: "it does not say how long an object is")
      }
      try file.expect(total: total)
    }
    return true
  }

  func take(_ bytes: UnsafeRawBufferPointer) throws { try file.append(bytes) }
}
