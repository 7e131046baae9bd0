import Boundary
import HTTP
import Requests

/// An object that is sent in parts, since S3 takes no more than 5 GiB in one piece. Parts take room in the bucket until
/// they become an object, or are given up: whatever goes wrong here gives them up.
struct S3Upload {
  let client: S3Client
  let key: String
  let body: ObjectBody
  /// Bytes of each part but the last.
  let partSize: Int

  private static let head = #"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#
  /// What S3 says of an error that may pass, with a status that says that all is well.
  private static let passing = [
    "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "OperationAborted",
    "ConditionalRequestConflict",
  ]

  /// Sends all, unless somebody else is quicker.
  /// - Throws: `SharedError`
  func run() throws {
    let upload = try begin()
    do {
      if try complete(upload, try sendParts(upload)) { return }
    } catch {
      giveUp(upload)
      throw error
    }
    giveUp(upload)
  }

  /// The identifier of a new upload, as it stands in a query.
  private func begin() throws -> String {
    var request = try client.request(.post, key, query: "uploads=")
    request.headers.append(HTTPHeader("Content-Type", "application/octet-stream"))
    let answer = try client.send(request)
    guard answer.head.status == 200 else { throw client.refusal(answer, sending: body.name) }
    let text = String(decoding: answer.body.prefix(64 << 10), as: UTF8.self)
    guard let found = text.firstMatch(of: #/<UploadId>([^<]{1,2000})<\/UploadId>/#)?.output.1 else {
      throw SharedError.refused(place: client.place, reason: "it gives an upload no name")
    }
    return PercentEncoding.segment(found.replacing("&amp;", with: "&"))
  }

  /// - Returns: the tags by which the service knows the parts.
  private func sendParts(_ upload: String) throws -> [String] {
    var whole: Digest? = Digest()
    var tags: [String] = []
    for start in stride(from: 0, to: body.count, by: partSize) {
      let count = min(partSize, body.count - start)
      let part = try part(start, count, &whole)
      // The service compares the digest with what it gets.
      var request = try client.request(
        .put, key, query: "partNumber=\(tags.count + 1)&uploadId=\(upload)", digest: part.digest)
      request.body = part.content
      request.patience.silence = 120
      let answer = try client.send(request)
      switch answer.head.status {
      case 200:
        guard let tag = answer.head["etag"], tag.wholeMatch(of: #/["A-Za-z0-9._:+\/=-]{1,200}/#) != nil else {
          throw SharedError.refused(place: client.place, reason: "it gives a part no ETag")
        }
        tags.append(tag)
      case 404 where client.code(of: answer) == "NoSuchUpload": throw gone
      default: throw client.refusal(answer, sending: body.name)
      }
    }
    guard whole.take()?.hexadecimal() == body.digest else { throw changed }
    return tags
  }

  /// A part, its digest, and what it adds to that of the whole.
  private func part(
    _ start: Int, _ count: Int, _ whole: inout Digest?
  ) throws -> (content: HTTPRequest.Body, digest: String) {
    var digest: Digest? = Digest()
    let content: HTTPRequest.Body
    switch body.content {
    case .bytes(let bytes):
      let slice = Array(bytes[start..<start + count])
      digest?.add(slice)
      whole?.add(slice)
      content = .bytes(slice)
    case .file(let descriptor):
      var found = 0
      try FolderStore.pieces(of: descriptor, from: start, count: count, body.name) { bytes in
        if client.stop.isSet { throw SharedError.stopped }
        digest?.add(bytes)
        whole?.add(bytes)
        found += bytes.count
      }
      guard found == count else { throw changed }
      content = .file(descriptor: descriptor, offset: start, count: count)
    }
    return (content, digest.take()?.hexadecimal() ?? "")
  }

  /// Makes the parts one object.
  /// - Returns: whether it did; otherwise somebody was quicker.
  private func complete(_ upload: String, _ tags: [String]) throws -> Bool {
    let parts = tags.enumerated().map {
      "<Part><PartNumber>\($0 + 1)</PartNumber><ETag>\($1)</ETag></Part>"
    }
    let text = Array((Self.head + parts.joined() + "</CompleteMultipartUpload>").utf8)
    var request = try client.request(
      .post, key, query: "uploadId=\(upload)", digest: Digest.hexadecimal(of: text))
    request.headers.append(HTTPHeader("If-None-Match", "*"))
    request.headers.append(HTTPHeader("Content-Type", "application/xml"))
    request.body = .bytes(text)
    // It may take minutes.
    request.patience.silence = 300
    let answer = try client.send(request) { answer in
      // S3 says 200 before it knows.
      guard answer.head.status == 200 else { return nil }
      guard let code = client.code(of: answer) else {
        return isResult(answer) ? nil : .unreachable(place: client.place, reason: "its answer has no end")
      }
      return Self.passing.contains(code) ? client.outage(answer) : nil
    }
    switch (answer.head.status, client.code(of: answer)) {
    case (200, nil): return true
    case (412, _), (200, "PreconditionFailed"): return false
    // An earlier try may have done it, and its answer was lost.
    case (404, "NoSuchUpload"):
      guard try client.size(of: key) == body.count else { throw gone }
      return true
    default: throw client.refusal(answer, sending: body.name)
    }
  }

  /// Whether an answer is whole and says that the object is there. S3 calls it a result, moto a response.
  private func isResult(_ answer: HTTPAnswer) -> Bool {
    let text = String(decoding: answer.body.prefix(64 << 10), as: UTF8.self)
    return ["Result", "Response"].contains { text.contains("</CompleteMultipartUpload\($0)>") }
  }

  /// Frees the room that the parts take. It goes on for a while although somebody wants to end: parts cost money for
  /// ever. What cannot be freed is for the bucket's lifecycle.
  private func giveUp(_ upload: String) {
    var client = client
    client.stop = StopFlag()
    client.pace.delays = Array(client.pace.delays.prefix(2))
    guard var request = try? client.request(.delete, key, query: "uploadId=\(upload)") else { return }
    request.patience.total = 10
    _ = try? client.send(request)
  }

  private var changed: SharedError {
    .file(path: body.name, reason: "changed while it was sent: try again")
  }

  private var gone: SharedError {
    .unreachable(place: client.place, reason: "somebody gave up the upload of \(body.name): try again")
  }
}
