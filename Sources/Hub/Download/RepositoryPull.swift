import Boundary
import Checkpoints
import Glibc
import Requests

/// Fetches files of a repository into the cache, all from one commit.
struct RepositoryPull: Sendable {
  let id: RepositoryID
  let client: HubClient
  let cache: RepositoryCache
  let isOffline: Bool
  /// The most that a source may have; nil: any size.
  let mostBytes: Int?
  let tell: @Sendable (PullProgress) -> Void

  /// How many files are fetched at the same time.
  private static let width = 4

  /// - Parameter file: the only file to fetch; nil for all files that `use` needs.
  /// - Throws: `HubError`
  func pull(
    _ source: ModelSource, revision: String?, file: String?, for use: ModelUse, isDry: Bool
  ) throws -> PulledModel {
    if isOffline { return try offline(source, revision: revision, file: file, for: use) }
    // A complete commit never changes.
    if let revision, Digest.isHexadecimal(revision, 40),
      let found = try? cached(source, commit: revision, file: file, for: use)
    {
      return found
    }
    let commit: String
    do throws(HubError) {
      if let revision, Digest.isHexadecimal(revision, 40) {
        commit = revision
      } else {
        commit = try client.commit(of: id, revision: revision)
      }
    } catch {
      guard let found = try? fallback(error, source, revision: revision, file: file, for: use) else {
        throw error
      }
      return found
    }
    let files = try cache.files(at: commit) ?? client.files(of: id, at: commit)
    let chosen = try choose(files, file: file, for: use, commit: commit)
    let bytes = chosen.files.reduce(0) { $0 + $1.size }
    if let mostBytes, bytes > mostBytes {
      throw HubError.overLimit(source: "\(source)", bytes: bytes, most: mostBytes)
    }
    let missing = chosen.files.filter { !cache.has($0, at: commit) }
    let fromCache = missing.allSatisfy(cache.hasBlob)
    if !isDry {
      if !missing.isEmpty { try fetch(missing, of: chosen.files, source: source, commit: commit) }
      cache.record(files, at: commit)
      cache.remember(commit, for: revision)
    }
    return PulledModel(
      source: "\(source)", path: chosen.path.map { cache.path(of: $0, at: commit) } ?? cache.snapshot(commit),
      revision: commit, bytes: bytes, fromCache: fromCache)
  }

  // MARK: Which files

  /// The chosen files, and the path of the model if it is a single file.
  private typealias Choice = (files: [RemoteFile], path: String?)

  private func choose(
    _ files: [RemoteFile], file: String?, for use: ModelUse, commit: String
  ) throws -> Choice {
    let choice = try choose(files, file: file, for: use) { index in
      // This file tells which others are needed.
      try index.check()
      if !cache.has(index, at: commit) {
        try fetch([index], of: [index], source: .card(id, revision: nil), commit: commit)
      }
      return cache.path(of: index.path, at: commit)
    }
    for file in choice.files { try file.check() }
    return choice
  }

  private func choose(
    _ files: [RemoteFile], file: String?, for use: ModelUse, index: (RemoteFile) throws -> String
  ) throws -> Choice {
    let selection = FileSelection(id, files: files)
    if let file {
      guard let found = files.first(where: { $0.path == file }) else {
        throw HubError.noFile(id, path: file, near: near(file, among: files))
      }
      guard file.hasSuffix(".safetensors") else {
        throw HubError.notSafetensors(what: "\(id)/\(file)", found: "a file of another kind")
      }
      return ([found], file)
    }
    if use == .adapter {
      let file = try selection.adapter()
      return ([file], file.path)
    }
    guard let listed = files.first(where: { $0.path == FileSelection.index }) else {
      if use == .autoencoder { return (try selection.autoencoder(), nil) }
      throw HubError.noModel(id, files: selection.singles.map(\.path))
    }
    let path = try index(listed)
    guard let json = try? JSONValue(contentsOf: path, purpose: "the index of a model") else {
      throw HubError.noModel(id, files: [])
    }
    return (try selection.model(index: json, weights: use == .ingredient ? .half : .plain), nil)
  }

  private func near(_ path: String, among files: [RemoteFile]) -> [String] {
    let ending = path.split(separator: ".").last ?? ""
    return Array(files.map(\.path).filter { $0.hasSuffix(".\(ending)") }.prefix(5))
  }

  // MARK: Without the hub

  /// The cached model, if the hub must not be asked.
  private func offline(
    _ source: ModelSource, revision: String?, file: String?, for use: ModelUse
  ) throws -> PulledModel {
    guard let commit = cache.commit(of: revision) else {
      throw HubError.offline(source: "\(source)", missing: "it is not in the cache \(cache.root)")
    }
    return try cached(source, commit: commit, file: file, for: use)
  }

  /// The cached model, if the hub cannot be reached or refuses the token. Any other answer of the hub is final.
  private func fallback(
    _ error: HubError, _ source: ModelSource, revision: String?, file: String?, for use: ModelUse
  ) throws -> PulledModel? {
    switch error {
    case .unreachable, .rateLimited, .badToken, .untrusted, .webPage: break
    default: return nil
    }
    guard let commit = cache.commit(of: revision) else { return nil }
    let found = try cached(source, commit: commit, file: file, for: use)
    client.site.say("\(id): using the copy of commit \(commit.prefix(12)), since \(error)")
    return found
  }

  /// A model that is complete in the cache.
  /// - Throws: `HubError.offline` if it is not.
  private func cached(
    _ source: ModelSource, commit: String, file: String?, for use: ModelUse
  ) throws -> PulledModel {
    let files = cache.files(at: commit) ?? cache.filesOnDisk(at: commit)
    let choice = try choose(files, file: file, for: use) { index in
      let path = cache.path(of: index.path, at: commit)
      guard access(path, R_OK) == 0 else {
        throw HubError.offline(
          source: "\(source)", missing: "its commit \(commit.prefix(12)) is not in the cache")
      }
      return path
    }
    let missing = choice.files.filter { !cache.has($0, at: commit) }
    guard missing.isEmpty, !choice.files.isEmpty else {
      let bytes = missing.reduce(0) { $0 + $1.size }
      throw HubError.offline(
        source: "\(source)", missing: "\(missing.count) files (\(HubError.size(bytes))) are not in the cache")
    }
    return PulledModel(
      source: "\(source)", path: choice.path.map { cache.path(of: $0, at: commit) } ?? cache.snapshot(commit),
      revision: commit, bytes: choice.files.reduce(0) { $0 + $1.size }, fromCache: true)
  }

  // MARK: Fetching

  private func fetch(
    _ missing: [RemoteFile], of all: [RemoteFile], source: ModelSource, commit: String
  ) throws {
    let toFetch = missing.filter { !cache.hasBlob($0) }
    guard Folder.isWritable(cache.root) else {
      throw HubError.readOnly(
        folder: cache.root, files: missing.count, bytes: missing.reduce(0) { $0 + $1.size })
    }
    try cache.prepare()
    try checkRoom(toFetch)
    // The index takes a moment, so its progress is not reported.
    let untold: @Sendable (PullProgress) -> Void = { _ in }
    let isIndex = all.map(\.path) == [FileSelection.index]
    let meter = PullMeter(
      source: "\(source)", total: all.reduce(0) { $0 + $1.size }, tell: isIndex ? untold : tell)
    let fetched = Set(toFetch.map(\.path))
    for file in all where !fetched.contains(file.path) { meter.found(file.size) }
    // The largest file first, so that it is not begun when all others are done.
    try ParallelWork.run(missing.sorted { $0.size > $1.size }, width: Self.width) { file in
      if !cache.hasBlob(file) { try fetch(file, commit: commit, meter) }
      try cache.place(file, at: commit)
    }
  }

  private func fetch(_ file: RemoteFile, commit: String, _ meter: PullMeter) throws {
    let what = "\(id)/\(file.path)"
    let address = try client.address(of: file.path, in: id, at: commit)
    try cache.fill(
      file, stop: client.site.stop,
      isWaiting: { client.site.say("another program is fetching \(what): waiting for it") }
    ) { part in
      meter.found(part.count)
      try FileDownload(
        site: client.site, address: address, what: what, size: file.size, hash: file.blob, meter: meter,
        refusal: { client.error($0, of: id, revision: commit, path: file.path) }
      ).run(into: part)
    }
  }

  /// Fails before anything is fetched if the disk has too little space.
  /// - Throws: `HubError.noRoom`
  private func checkRoom(_ files: [RemoteFile]) throws(HubError) {
    let needed = files.reduce(0) { $0 + $1.size - cache.partBytes($1) }
    guard needed > 0, let free = FreeSpace.bytes(at: cache.root), free < needed else { return }
    throw .noRoom(folder: cache.root, needed: needed, free: free)
  }
}
