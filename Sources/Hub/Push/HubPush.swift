import Boundary
import Checkpoints
import Foundation
import HTTP
import Requests

/// The result of a push.
package struct PushResult: Sendable, Equatable {
  /// The repository.
  package let repository: String
  /// The commit with the folder. If nothing had to be sent, it is the branch's commit.
  package let commit: String
  /// The page of the repository, or of the pull request.
  package let url: String
  /// How many bytes of large files were sent.
  package let uploadedBytes: Int
  /// The paths that the commit adds or changes.
  package let files: [String]
}

/// Options of a push.
package struct PushOptions: Sendable {
  package var isPrivate = false
  /// The branch; nil for the main branch.
  package var revision: String?
  package var opensRequest = false
  package var message = "Upload folder using segmoe"
  /// Patterns of paths to leave out.
  package var ignore: [String] = []
  /// Whether to find out only what would be sent.
  package var isDry = false
  /// A model card for a folder without one.
  package var card: String?
  /// Pictures that are pushed as well, into `samples/`.
  package var samples: [String] = []

  package init() {}
}

/// Pushes a folder into a repository of a hub, in one commit. If it is run again, it sends only what is missing.
package struct HubPush: Sendable {
  let client: HubClient
  let settings: HubSettings
  let id: RepositoryID
  let folder: String
  let options: PushOptions
  let tell: @Sendable (PullProgress) -> Void

  package init(
    settings: HubSettings, transport: any HTTPTransport, folder: String, id: RepositoryID,
    options: PushOptions,
    pace: RetryPace = RetryPace(), say: @escaping @Sendable (String) -> Void = { _ in },
    tell: @escaping @Sendable (PullProgress) -> Void = { _ in }
  ) {
    let site = Site(
      transport: transport, trust: settings.hubTrust, pace: pace, patience: max(30, settings.patience),
      say: say)
    client = HubClient(site: site, endpoint: settings.endpoint)
    self.settings = settings
    self.id = id
    self.folder = folder
    self.options = options
    self.tell = tell
  }

  /// - Throws: `HubError`
  package func run() throws(HubError) -> PushResult {
    do {
      return try push()
    } catch let error as HubError {
      throw error
    } catch {
      throw .strangeAnswer(host: settings.endpoint.host, reason: "\(error)")
    }
  }

  private func push() throws -> PushResult {
    if settings.isOffline { throw HubError.offline(source: "push", missing: "nothing can be sent") }
    let files = try files()
    try client.checkWriter()
    try prepare(files)
    let branch = options.revision ?? "main"
    let head: String
    do throws(HubError) {
      head = try client.commit(of: id, revision: branch)
    } catch {
      guard options.isDry, case .noRepository = error else { throw error }
      return PushResult(
        repository: "\(id)", commit: "", url: page, uploadedBytes: 0, files: files.map(\.path).sorted())
    }
    let changes = try changes(files, revision: branch)
    let names = changes.map(\.file.path).sorted()
    if changes.isEmpty || options.isDry {
      return PushResult(
        repository: "\(id)", commit: head, url: "\(page)/tree/\(branch)", uploadedBytes: 0, files: names)
    }
    let (revision, url) = try options.opensRequest ? request() : (branch, nil)
    let uploaded = try send(changes, revision: revision)
    let commit = try HubCommit(
      client: client, id: id, revision: revision, parent: options.opensRequest ? nil : head,
      message: options.message
    ).make(changes)
    return PushResult(
      repository: "\(id)", commit: commit, url: url ?? "\(page)/commit/\(commit)", uploadedBytes: uploaded,
      files: names)
  }

  private var page: String { "\(settings.endpoint)\(settings.endpoint.text.hasSuffix("/") ? "" : "/")\(id)" }

  private func files() throws -> [LocalFile] {
    var files = try PushFolder(folder, ignore: options.ignore).files
    guard !files.isEmpty else { throw HubError.file(path: folder, reason: "there is nothing to push") }
    if let card = options.card, !files.contains(where: { $0.path == "README.md" }) {
      files.append(LocalFile(path: "README.md", content: Array(card.utf8)))
    }
    for sample in options.samples {
      files.append(try LocalFile(path: Self.sampleName(sample), place: sample))
    }
    return files
  }

  /// The path of a picture in the repository.
  package static func sampleName(_ path: String) -> String {
    "samples/\(path.split(separator: "/").last ?? "")"
  }

  /// Makes the repository and the branch, which have to exist before files are sent.
  private func prepare(_ files: [LocalFile]) throws {
    if let card = files.first(where: { $0.path == "README.md" }) {
      try client.checkCard(String(decoding: try card.bytes(upTo: 4 << 20), as: UTF8.self), of: id)
    }
    guard !options.isDry else { return }
    try client.create(id, isPrivate: options.isPrivate)
    if let branch = options.revision, branch != "main", !branch.hasPrefix("refs/") {
      try client.createBranch(branch, of: id)
    }
  }

  private func request() throws -> (revision: String, url: String?) {
    let number = try client.openRequest(options.message, of: id)
    return ("refs/pr/\(number)", "\(page)/discussions/\(number)")
  }

  /// The files that differ from the branch's.
  private func changes(_ files: [LocalFile], revision: String) throws -> [FileChange] {
    let offers = try client.offers(files, to: id, revision: revision, isRequest: options.opensRequest)
    var memory = HashMemory(folder: settings.state, key: "\(settings.endpoint)\n\(id)\n\(folder)")
    defer { memory.save() }
    var changes: [FileChange] = []
    for file in files {
      guard let offer = offers[file.path] else {
        throw HubError.strangeAnswer(
          host: settings.endpoint.host, reason: "it says nothing about \(file.path)")
      }
      if offer.isIgnored { continue }
      let isLarge = offer.isLarge && file.size > 0
      let change: FileChange
      if isLarge {
        change = FileChange(
          file: file, content: .sha256(try memory.hash(file, stop: client.site.stop)), bytes: [])
      } else {
        guard file.size <= FileChange.mostSmallBytes else {
          throw HubError.forbidden(
            what: file.path, reason: "the hub wants it as a small file, and it is none")
        }
        let bytes = try file.bytes(upTo: file.size)
        var digest = Digest(.sha1)
        digest.add(Array("blob \(bytes.count)\0".utf8))
        digest.add(bytes)
        change = FileChange(file: file, content: .git(digest.hexadecimal()), bytes: bytes)
      }
      if change.hash != offer.hash { changes.append(change) }
    }
    return changes
  }

  /// Sends the large files, weights first.
  /// - Returns: the number of bytes sent.
  private func send(_ changes: [FileChange], revision: String) throws -> Int {
    let large = changes.filter(\.isLarge)
    let meter = PullMeter(source: "\(id)", total: large.reduce(0) { $0 + $1.file.size }, tell: tell)
    for change in large {
      try LargeUpload(
        client: client, id: id, revision: revision, file: change.file, hash: change.hash, sent: meter.add
      ).run()
    }
    return meter.received
  }
}
