import Boundary
import HTTP

/// Sends requests for the objects of a bucket, again and again while what is wrong may pass. libcurl signs them.
struct S3Client {
  let bucket: String
  /// What all keys begin with.
  let prefix: String
  let settings: S3Settings
  let transport: any HTTPTransport
  /// How often and when to try again.
  var pace: RetryPace
  var stop: StopFlag

  /// The SHA-256 of no bytes.
  static let emptyDigest = Digest.hexadecimal(of: [])

  var place: String { "s3://\(bucket)" + (prefix.isEmpty ? "" : "/\(prefix.dropLast())") }

  /// A request for an object.
  /// - Parameters:
  ///   - method: of it.
  ///   - key: below the prefix.
  ///   - query: encoded and sorted by name, as it is signed; nil: none.
  ///   - digest: SHA-256 of what is sent.
  /// - Throws: `SharedError.address`
  func request(
    _ method: HTTPRequest.Method, _ key: String, query: String? = nil, digest: String = S3Client.emptyDigest
  ) throws -> HTTPRequest {
    var request = HTTPRequest(
      method, try settings.address(of: prefix + key, in: bucket, query: query),
      headers: [HTTPHeader("x-amz-content-sha256", digest)], stop: stop)
    if let session = settings.session {
      request.headers.append(HTTPHeader("x-amz-security-token", session))
    }
    request.signing = settings.signing
    return request
  }

  /// Sends a request again while what is wrong may pass.
  /// - Parameters:
  ///   - request: what to send.
  ///   - doubt: what is wrong with an answer that the status alone calls good, and may pass; nil: nothing.
  /// - Throws: `SharedError`
  func send(
    _ request: HTTPRequest, doubt: (HTTPAnswer) -> SharedError? = { _ in nil }
  ) throws -> HTTPAnswer {
    var retries = Retries(pace, stop: stop)
    while true {
      if request.stop?.isSet == true { throw SharedError.stopped }
      let failure: SharedError
      do {
        let answer = try transport.send(request, into: nil)
        guard let passing = passing(answer) ?? doubt(answer) else { return answer }
        failure = passing
      } catch let error as TransportError {
        failure = try passing(error)
      }
      guard try again(&retries) else { throw failure }
    }
  }

  /// Bytes of an object; nil: it is not there, or nobody may know.
  /// - Throws: `SharedError`
  func size(of key: String) throws -> Int? {
    let answer = try send(try request(.head, key))
    switch answer.head.status {
    case 200: return answer.head["content-length"].flatMap { Int($0) }
    // Who may not list a bucket is told 403 of what is not there.
    case 404, 403: return nil
    default: throw refusal(answer)
    }
  }

  // MARK: - What is wrong

  /// Waits before the next try.
  /// - Returns: whether there is one.
  /// - Throws: `SharedError.stopped`
  func again(_ retries: inout Retries) throws -> Bool {
    do throws(TransportError) {
      return try retries.pause()
    } catch {
      throw SharedError.stopped
    }
  }

  /// nil: coming again would not help.
  func passing(_ answer: HTTPAnswer) -> SharedError? {
    switch answer.head.status {
    // 409: two put it at once.
    case 408, 409, 429, 500, 502, 503, 504: outage(answer)
    default: nil
    }
  }

  /// An answer that may be another one next time.
  func outage(_ answer: HTTPAnswer) -> SharedError {
    .unreachable(place: place, reason: "it answers \(answer.head.status)\(words(answer))")
  }

  /// - Throws: `SharedError` for what does not pass.
  func passing(_ error: TransportError) throws -> SharedError {
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

  /// Why bytes were not taken.
  /// - Parameters:
  ///   - answer: to a request that sent them.
  ///   - name: what a person calls what they are of.
  func refusal(_ answer: HTTPAnswer, sending name: String) -> SharedError {
    switch answer.head.status {
    case 400 where ["XAmzContentSHA256Mismatch", "BadDigest", "IncompleteBody"].contains(code(of: answer)):
      .file(path: name, reason: "changed while it was sent: try again")
    case 501:
      .refused(
        place: place, reason: "the service knows no conditional writes (If-None-Match), which are needed")
    default: refusal(answer)
    }
  }

  /// Why it does not answer as it should.
  func refusal(_ answer: HTTPAnswer) -> SharedError {
    let status = answer.head.status
    switch status {
    case 401, 403:
      return .forbidden(place: place, reason: "it answers \(answer.head.status)\(words(answer))")
    case 404: return .refused(place: place, reason: "there is no such bucket: make it, or name another")
    case 301, 307, 308, 400:
      let other = answer.head["x-amz-bucket-region"].map { PlainText.line($0, limit: 40) }
      if let other, other != settings.region {
        return .refused(place: place, reason: "the bucket is in \(other): set AWS_REGION=\(other)")
      }
      return .refused(
        place: place,
        reason: "it answers \(answer.head.status)\(words(answer)): look at AWS_REGION and AWS_ENDPOINT_URL")
    default: return .refused(place: place, reason: "it answers \(answer.head.status)\(words(answer))")
    }
  }

  /// The service's word for what is wrong. Only this: the rest of the answer may repeat the key.
  func code(of answer: HTTPAnswer) -> String? {
    // What is long in the making may begin with thousands of spaces.
    let text = String(decoding: answer.body.prefix(64 << 10), as: UTF8.self)
    return text.firstMatch(of: #/<Code>([A-Za-z0-9]{1,60})<\/Code>/#).map { String($0.output.1) }
  }

  private func words(_ answer: HTTPAnswer) -> String { code(of: answer).map { " (\($0))" } ?? "" }
}
