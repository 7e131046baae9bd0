import HTTP

/// A bucket of S3, or of a service that speaks it.
struct S3Store: ObjectStore {
  let client: S3Client
  let parts: UploadParts

  var place: String { client.place }

  func add(_ body: ObjectBody, as key: String) throws {
    guard let partSize = parts.size(of: body.count) else {
      throw SharedError.tooLarge(name: body.name, bytes: body.count, most: UploadParts.mostBytes)
    }
    // What is there need not be sent to be refused.
    if let size = try client.size(of: key) {
      guard size == body.count else {
        throw SharedError.damaged(
          name: body.name, place: place, reason: "\(size) bytes, not \(body.count)")
      }
      return
    }
    guard body.count <= parts.threshold else {
      return try S3Upload(client: client, key: key, body: body, partSize: partSize).run()
    }
    let content: HTTPRequest.Body =
      switch body.content {
      case .bytes(let bytes): .bytes(bytes)
      case .file(let descriptor): .file(descriptor: descriptor, offset: 0, count: body.count)
      }
    // The service compares the digest with what it gets.
    var put = try client.request(.put, key, digest: body.digest)
    put.headers.append(HTTPHeader("If-None-Match", "*"))
    put.headers.append(HTTPHeader("Content-Type", "application/octet-stream"))
    put.body = content
    put.patience.silence = 120
    let answer = try client.send(put)
    switch answer.head.status {
    // 412: somebody was quicker.
    case 200..<300, 412: return
    default: throw client.refusal(answer, sending: body.name)
    }
  }

  func read(_ key: String, called name: String, into file: IncomingFile) throws {
    var retries = Retries(client.pace, stop: client.stop)
    while !file.isWhole {
      let before = file.count
      var get = try client.request(.get, key)
      if file.count > 0 { get.headers.append(HTTPHeader("Range", "bytes=\(file.count)-")) }
      let sink = ObjectSink(file, place: place)
      let failure: SharedError
      do {
        let answer = try client.transport.send(get, into: sink)
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
        case 404 where client.code(of: answer) != "NoSuchBucket":
          throw SharedError.missing(name: name, place: place)
        default:
          guard let passing = client.passing(answer) else { throw client.refusal(answer) }
          failure = passing
        }
      } catch let error as TransportError {
        failure = try client.passing(error)
      }
      if file.count > before { retries.progressed() }
      guard try client.again(&retries) else { throw failure }
    }
  }
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
