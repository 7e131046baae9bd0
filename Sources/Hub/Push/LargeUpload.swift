import Checkpoints
import HTTP
import Requests

/// Sends one large file to storage by Git LFS, in one piece or, if the hub wants it, in parts.
struct LargeUpload {
  let client: HubClient
  let id: RepositoryID
  let revision: String
  let file: LocalFile
  let hash: String
  /// Called with the number of bytes that were sent since the last call.
  let sent: (Int) -> Void

  private var site: Site { client.site }

  /// Where the hub wants the file to be sent.
  private struct Orders {
    let address: WebAddress
    /// The addresses of the parts, in their order; empty for one piece.
    let parts: [WebAddress]
    let partSize: Int
    let verify: WebAddress?
  }

  private static let mostRenewals = 3
  private static let lfs = "application/vnd.git-lfs+json"

  /// An address has expired.
  private struct Expired: Error {}

  /// Sends the file if the hub does not have it.
  /// - Throws: `HubError`
  func run() throws {
    var renewals = 0
    while let orders = try ask() {
      do {
        if orders.parts.isEmpty {
          _ = try put(0..<file.size, to: orders.address)
        } else {
          try sendParts(orders)
        }
        try file.checkUnchanged()
        try verify(orders)
        return
      } catch is Expired {
        renewals += 1
        guard renewals <= Self.mostRenewals else {
          throw HubError.gaveUp(what: file.path, reason: "storage refuses every address")
        }
      }
    }
  }

  /// Asks where to send the file; nil if the hub has it.
  private func ask() throws -> Orders? {
    let body = JSONValue.object([
      "operation": .string("upload"), "hash_algo": .string("sha256"),
      "transfers": .array([.string("basic"), .string("multipart")]),
      "ref": .object(["name": .string(revision)]),
      "objects": .array([.object(["oid": .string(hash), "size": .integer(file.size)])]),
    ])
    var request = try client.request(.post, "/\(id).git/info/lfs/objects/batch", body, type: Self.lfs)
    request.headers.append(HTTPHeader("Accept", Self.lfs))
    let reply = try site.ask(request)
    try client.check(reply, of: id, revision: revision)
    guard let object = try AnswerObject(reply).objects("objects").first else {
      throw HubError.strangeAnswer(host: reply.address.host, reason: "it says nothing about the file")
    }
    if let error = object.object("error") {
      let words = error.text("message").map(site.shown)
      throw HubError.forbidden(what: file.path, reason: words ?? "the hub does not take it")
    }
    guard let actions = object.object("actions"), let upload = actions.object("upload") else { return nil }
    guard let address = web(upload.text("href")) else { throw upload.lacks("href") }
    let header = upload.object("header")
    let numbered = (header?.keys ?? []).compactMap { key in Int(key).map { ($0, key) } }.sorted {
      $0.0 < $1.0
    }
    guard let size = header?.text("chunk_size").flatMap({ Int($0) }), size > 0 else {
      return Orders(
        address: address, parts: [], partSize: file.size, verify: web(actions.object("verify")?.text("href")))
    }
    let parts = numbered.compactMap { web(header?.text($0.1)) }
    guard parts.count == (file.size + size - 1) / size, parts.count == numbered.count else {
      throw HubError.strangeAnswer(host: reply.address.host, reason: "its parts do not make up the file")
    }
    return Orders(
      address: address, parts: parts, partSize: size, verify: web(actions.object("verify")?.text("href")))
  }

  /// An address in an answer. A mirror's answers name the hub itself, so the address is changed to the mirror's.
  private func web(_ text: String?) -> WebAddress? {
    guard let text else { return nil }
    let own = "https://huggingface.co"
    return WebAddress(text.hasPrefix(own + "/") ? "\(client.endpoint)\(text.dropFirst(own.count))" : text)
  }

  /// Sends a range of the file.
  /// - Returns: the storage's tag for it.
  private func put(_ range: Range<Int>, to address: WebAddress) throws -> String {
    var retries = Retries(site.pace, stop: site.stop)
    while true {
      let failure: HubError
      var seconds: Int?
      do {
        let reply = try file.read { descriptor in
          try site.follow(
            HTTPRequest(
              .put, address, headers: [HTTPHeader("Content-Type", "application/octet-stream")],
              body: .file(descriptor: descriptor, offset: range.lowerBound, count: range.count),
              patience: .init(connecting: 10, silence: 120)))
        }
        if (200..<300).contains(reply.status) {
          sent(range.count)
          return reply.head["etag"] ?? ""
        }
        if reply.status == 403 { throw Expired() }
        guard let passing = try site.passing(reply) else {
          try file.checkUnchanged()
          throw HubError.forbidden(what: file.path, reason: "storage does not take it (\(reply.status))")
        }
        (failure, seconds) = passing
      } catch let expired as Expired {
        throw expired
      } catch {
        failure = try site.passing(error)
      }
      guard try retries.waitAgain(asked: seconds) else {
        throw HubError.gaveUp(what: file.path, reason: "\(failure)")
      }
    }
  }

  private func sendParts(_ orders: Orders) throws {
    var entries: [JSONValue] = []
    for (index, part) in orders.parts.enumerated() {
      let start = index * orders.partSize
      let tag = try put(start..<min(file.size, start + orders.partSize), to: part)
      entries.append(.object(["partNumber": .integer(index + 1), "etag": .string(tag)]))
    }
    let body = JSONValue.object(["oid": .string(hash), "parts": .array(entries)])
    // The address is signed, so it gets no token.
    let untrusted = Site(
      transport: site.transport, trust: TokenTrust(nil, origins: []), pace: site.pace, stop: site.stop,
      patience: site.patience, say: site.say)
    let reply = try untrusted.ask(
      HTTPRequest(
        .post, orders.address,
        headers: [HTTPHeader("Content-Type", Self.lfs), HTTPHeader("Accept", Self.lfs)],
        body: .bytes(Array(body.text.utf8)), patience: .init(connecting: 10, silence: 300)))
    if reply.status == 403 || reply.status == 404 { throw Expired() }
    guard (200..<300).contains(reply.status) else {
      throw HubError.forbidden(what: file.path, reason: untrusted.words(of: reply))
    }
  }

  private func verify(_ orders: Orders) throws {
    guard let address = orders.verify else { return }
    let body = JSONValue.object(["oid": .string(hash), "size": .integer(file.size)])
    let reply = try site.ask(
      HTTPRequest(
        .post, address, headers: [HTTPHeader("Content-Type", Self.lfs), HTTPHeader("Accept", Self.lfs)],
        body: .bytes(Array(body.text.utf8)), patience: .init(connecting: 10, silence: 60)))
    try client.check(reply, of: id, revision: revision)
  }
}
