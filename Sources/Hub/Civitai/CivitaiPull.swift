import Boundary
import Glibc
import HTTP
import Requests

/// Downloads one file of CivitAI. Its size and hash are asked for first. Only a safetensors file is kept.
struct CivitaiPull {
  let link: CivitaiLink
  let site: Site
  let endpoint: WebAddress
  let cache: CivitaiCache
  let isOffline: Bool
  /// The most that a file may have; nil: any size.
  let mostBytes: Int?
  let tell: @Sendable (PullProgress) -> Void

  /// - Throws: `HubError`
  func pull(isDry: Bool) throws -> PulledModel {
    // The content of a version does not change. A link to a model means its newest version, which has to be asked for.
    if link.version != nil || isOffline, let note = cache.find(link) { return pulled(note, fromCache: true) }
    if isOffline {
      throw HubError.offline(source: "\(link)", missing: "it is not in the cache \(cache.folder)")
    }
    let version = try link.version ?? newestVersion()
    let file = try self.file(of: version)
    let id = file?.id ?? link.file ?? 0
    if let mostBytes, let size = file?.size, size > mostBytes {
      throw HubError.overLimit(source: "\(link)", bytes: size, most: mostBytes)
    }
    if let hash = file?.hash, let size = file?.size {
      let note = CivitaiCache.Note(version: version, file: id, hash: hash, size: size)
      if Folder.size(of: cache.path(note)) == size {
        cache.remember(note, for: link, name: file?.name ?? "")
        return pulled(note, fromCache: true)
      }
      if isDry { return pulled(note, fromCache: false) }
    } else if isDry {
      let note = CivitaiCache.Note(
        version: version, file: id, hash: String(repeating: "0", count: 64), size: file?.size ?? 0)
      return pulled(note, fromCache: false)
    }
    let note = try fetch(file, id: id, version: version)
    cache.remember(note, for: link, name: file?.name ?? "")
    return pulled(note, fromCache: false)
  }

  private func pulled(_ note: CivitaiCache.Note, fromCache: Bool) -> PulledModel {
    PulledModel(
      source: "\(link)", path: cache.path(note), revision: "\(note.version)", bytes: note.size,
      fromCache: fromCache)
  }

  // MARK: Which file

  private func newestVersion() throws -> Int {
    let reply = try ask("/api/v1/models/\(link.model ?? 0)")
    guard reply.status == 200 else { throw refusal(reply) }
    guard let version = try AnswerObject(reply).objects("modelVersions").first?.whole("id") else {
      throw HubError.gone(what: "\(link)", reason: "the model has no version")
    }
    site.say("\(link): taking its newest version, \(version)")
    return version
  }

  /// The file that the link means; nil if the site does not list the version for us. It may serve the file all the
  /// same.
  private func file(of version: Int) throws -> CivitaiFile? {
    let reply = try ask("/api/v1/model-versions/\(version)")
    if reply.status == 404 { return nil }
    guard reply.status == 200 else { throw refusal(reply) }
    let files = try AnswerObject(reply).objects("files").compactMap(CivitaiFile.init)
    let fitting = link.conditions.isEmpty ? files.filter(\.isPrimary) : files.filter { $0.fits(link) }
    guard
      let file = fitting.first(where: \.isPrimary) ?? fitting.first
        ?? (link.conditions.isEmpty ? files.first : nil)
    else {
      throw HubError.noSuchFile(link: "\(link)", files: files.map(\.conditions))
    }
    guard ["SafeTensor", ""].contains(file.format) else {
      throw HubError.notSafetensors(what: "\(link)", found: "of format \(file.format)")
    }
    return file
  }

  private func ask(_ path: String) throws -> Site.Reply {
    try site.ask(
      HTTPRequest(.get, try endpoint.adding(path), patience: .init(connecting: 10, silence: site.patience)))
  }

  // MARK: Fetching

  private func fetch(_ file: CivitaiFile?, id: Int, version: Int) throws -> CivitaiCache.Note {
    let folder = cache.folder(version: version, file: id)
    try Folder.make(folder)
    if let size = file?.size, let free = FreeSpace.bytes(at: folder), free < size {
      throw HubError.noRoom(folder: cache.folder, needed: size, free: free)
    }
    let lock = try FileLock(path: "\(folder)/.lock", stop: site.stop) {
      site.say("another program is fetching \(link): waiting for it")
    }
    defer { withExtendedLifetime(lock) {} }
    let content = file?.hash.map(RemoteFile.Content.sha256)
    let part = try PartFile(path: "\(folder)/\(file?.hash ?? "unknown")", content: content, size: file?.size)
    let meter = PullMeter(source: "\(link)", total: file?.size ?? 0, tell: tell)
    meter.found(part.count)
    let query = link.query.map { "?\($0)" } ?? ""
    let download = FileDownload(
      site: site, address: try endpoint.adding("/api/download/models/\(version)\(query)"), what: "\(link)",
      size: file?.size, hash: file?.hash, mostBytes: mostBytes, meter: meter, refusal: refusal)
    try run(download, into: part)
    if let fault = part.faultAsSafetensors() {
      part.remove()
      throw HubError.notSafetensors(what: "\(link)", found: fault)
    }
    if file?.hash == nil { site.say("\(link): not verified, CivitAI shows no hash of it") }
    let note = CivitaiCache.Note(
      version: version, file: id, hash: file?.hash ?? part.hash(), size: part.count)
    try part.publish(as: cache.path(note))
    return note
  }

  /// The site sometimes answers that there is no such file, and serves it a moment later.
  private func run(_ download: FileDownload, into part: PartFile) throws {
    do {
      do {
        try download.run(into: part)
      } catch HubError.gone {
        try site.pace.hold(5 * (site.pace.delays.first ?? 0), stop: site.stop)
        try download.run(into: part)
      }
    } catch HubError.webPage {
      throw HubError.login(link: "\(link)", hasToken: site.trust.token != nil)
    }
  }

  /// The error for a refusal.
  private func refusal(_ reply: Site.Reply) -> HubError {
    let words = site.words(of: reply)
    let what = "\(link)"
    switch reply.status {
    case 401 where words.contains("disabled"): return .forbidden(what: what, reason: words)
    case 401: return .login(link: what, hasToken: site.trust.token != nil)
    case 403:
      let deadline = (try? AnswerObject(reply))?.text("deadline")
      return .forbidden(what: what, reason: deadline.map { "early access until \(site.shown($0))" } ?? words)
    case 404, 410: return .gone(what: what, reason: words)
    default:
      if reply.head.isWebPage { return .login(link: what, hasToken: site.trust.token != nil) }
      return .strangeAnswer(host: reply.address.host, reason: words)
    }
  }
}
