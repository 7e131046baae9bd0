import Boundary
import Foundation
import HTTP
import Requests

/// A place that several machines share: what one puts there, another has by its digest. `files/SHA-256` holds a file's
/// bytes, or a tree's listing. Nothing in it is ever changed, and nothing that comes from it is used before its digest
/// is right.
package final class SharedPlace: Sendable {
  let store: any ObjectStore
  /// For pictures that somebody waits with. It tries once.
  private let patient: any ObjectStore
  let cache: ObjectCache
  private let stop = StopFlag()

  /// How much is taken by default.
  package static let largest = 100 << 30

  /// - Parameters:
  ///   - address: of the place.
  ///   - cache: the folder of what this machine has had from it.
  ///   - environment: has the keys of a bucket, or names the file of them.
  ///   - pace: how often and when a request is tried again.
  ///   - parts: which objects of a bucket are sent in parts.
  /// - Throws: `SharedError.address`, `.credentials`
  package init(
    _ address: SharedAddress, cache: String, environment: [String: String], pace: RetryPace = RetryPace(),
    parts: UploadParts = UploadParts()
  ) throws {
    self.cache = ObjectCache(folder: cache)
    switch address {
    case .folder(let path):
      store = FolderStore(root: path, stop: stop)
      patient = FolderStore(root: path, stop: StopFlag())
    case .bucket(let bucket, let prefix):
      let settings = try S3Settings(environment: environment)
      let transport = CurlTransport(trust: settings.trust)
      func store(_ pace: RetryPace, _ stop: StopFlag) -> S3Store {
        S3Store(
          client: S3Client(
            bucket: bucket, prefix: prefix, settings: settings, transport: transport, pace: pace, stop: stop),
          parts: parts)
      }
      self.store = store(pace, stop)
      patient = store(RetryPace(delays: []), StopFlag())
    }
  }

  /// Where a person's programs keep what they had from a place: `$SEGMOE_CACHE`, or `segmoe` in the person's folder of
  /// caches, and in it `shared`; nil: there is no home folder.
  package static func cacheFolder(_ environment: [String: String]) -> String? {
    let folders = BaseFolders(environment: environment)
    return (folders.absolute("SEGMOE_CACHE") ?? folders.cache.map { $0 + "/segmoe" }).map { $0 + "/shared" }
  }

  /// What a person calls it. It holds no key.
  package var description: String { store.place }

  /// The folders in a cache below which everything lies whose digest is right. Unfinished files are elsewhere.
  package static func folders(inCache folder: String) -> [String] { [folder + "/files", folder + "/trees"] }

  /// Makes the cache's folders. What is in them is taken without a look at its digest, so they must be this user's alone.
  /// - Throws: `SharedError.file`, `.noRoom`
  package func prepareCache() throws {
    for folder in [cache.folder] + Self.folders(inCache: cache.folder) {
      try cache.make(folder)
      var status = stat()
      guard lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        throw SharedError.file(path: folder, reason: "is no folder: remove it")
      }
      guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
        throw SharedError.file(
          path: folder, reason: "belongs to others, or others may write there: remove it, or chmod 700")
      }
    }
  }

  /// Ends what is being put there or had from there, in any thread.
  package func interrupt() { stop.set() }

  // MARK: - Putting

  /// Puts a file or a folder there, unless it is there.
  /// - Parameters:
  ///   - path: its absolute path.
  ///   - companions: whether what lies beside a file and belongs to it goes along, as configurations of weights do.
  /// - Returns: the name by which every machine has it.
  /// - Throws: `SharedError`
  package func put(_ path: String, companions: Bool) throws -> SharedName {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw SharedError.file(path: path, reason: "cannot be read: \(SharedError.lastReason)")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let name = URL(fileURLWithPath: path).lastPathComponent
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    let beside = companions && !isFolder ? Companions.names(of: name, in: folder) : []
    guard isFolder || !beside.isEmpty else {
      let entry = try putFile(path, as: name)
      return try named(.file, entry.digest, name, path)
    }
    let files = try TreeListing.files([name] + beside, below: folder)
    let listing = TreeListing(try files.map { try putFile("\(folder)/\($0)", as: $0) })
    let text = Array(listing.text.utf8)
    // Nobody would read a larger one.
    guard text.count <= TreeListing.largest else {
      throw SharedError.tooLarge(name: "the listing of \(path)", bytes: text.count, most: TreeListing.largest)
    }
    let digest = Digest.hexadecimal(of: text)
    try store.add(
      ObjectBody(content: .bytes(text), count: text.count, digest: digest, name: "the listing of \(path)"),
      as: "files/\(digest)")
    return try named(.tree, digest, name, path)
  }

  /// Puts bytes there, unless they are there. It tries once.
  /// - Parameters:
  ///   - bytes: of a file.
  ///   - digest: their SHA-256.
  ///   - name: what a person calls it.
  /// - Throws: `SharedError`
  package func put(_ bytes: [UInt8], digest: String, called name: String) throws {
    try patient.add(
      ObjectBody(content: .bytes(bytes), count: bytes.count, digest: digest, name: name),
      as: "files/\(digest)")
  }

  private func named(
    _ kind: SharedName.Kind, _ digest: String, _ name: String, _ path: String
  ) throws -> SharedName {
    guard let shared = SharedName(kind, digest: digest, path: name) else {
      throw SharedError.file(path: path, reason: "has a name that not every machine can have: rename it")
    }
    return shared
  }

  private func putFile(_ path: String, as name: String) throws -> TreeListing.Entry {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw SharedError.file(path: path, reason: "cannot be read: \(SharedError.lastReason)")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw SharedError.file(path: path, reason: "is no file")
    }
    var digest: Digest? = Digest()
    var count = 0
    try FolderStore.pieces(of: descriptor, from: 0, path) { bytes in
      if stop.isSet { throw SharedError.stopped }
      digest?.add(bytes)
      count += bytes.count
    }
    let text = digest.take()?.hexadecimal() ?? ""
    try store.add(
      ObjectBody(content: .file(descriptor: descriptor), count: count, digest: text, name: path),
      as: "files/\(text)")
    return TreeListing.Entry(digest: text, bytes: count, path: name)
  }

  // MARK: - Having

  /// Where something of the place lies on this machine. It is fetched if it is not in the cache.
  /// - Parameters:
  ///   - name: of it.
  ///   - most: bytes of a file that are taken at most.
  ///   - goOn: asked again and again while it comes; throws to end it.
  /// - Returns: an absolute path.
  /// - Throws: `SharedError`, and what `goOn` throws.
  package func local(
    _ name: SharedName, most: Int = SharedPlace.largest, goOn: @escaping () throws -> Void = {}
  ) throws -> String {
    let limits = IncomingFile.Limits(most: most, goOn: goOn)
    switch name.kind {
    case .file: return try file(name.digest, name.path, limits)
    case .tree:
      let tree = try cache.tree(name.digest, isStopped: { self.stop.isSet }, goOn: goOn) { part in
        let listing = try self.listing(name, goOn)
        // A listing may say any sizes.
        var rest = most
        for entry in listing.entries {
          guard entry.bytes <= rest else {
            throw SharedError.tooLarge(name: "\(name)", bytes: entry.bytes, most: rest)
          }
          rest -= entry.bytes
        }
        for entry in listing.entries { try self.place(entry, in: part, limits) }
      }
      let path = "\(tree)/\(name.path)"
      guard access(path, F_OK) == 0 else {
        throw SharedError.damaged(
          name: "\(name)", place: description, reason: "nothing of that name is in it")
      }
      return path
    }
  }

  private func file(_ digest: String, _ name: String, _ limits: IncomingFile.Limits) throws -> String {
    try cache.file(digest, name: name, from: store, limits: limits) { stop.isSet }
  }

  private func listing(_ name: SharedName, _ goOn: @escaping () throws -> Void) throws -> TreeListing {
    let limits = IncomingFile.Limits(most: TreeListing.largest, goOn: goOn)
    let path = try file(name.digest, "listing", limits)
    guard let bytes = FileManager.default.contents(atPath: path),
      let listing = TreeListing(reading: Array(bytes))
    else {
      throw SharedError.damaged(name: "\(name)", place: description, reason: "it is no listing of files")
    }
    return listing
  }

  private func place(_ entry: TreeListing.Entry, in tree: String, _ limits: IncomingFile.Limits) throws {
    let target = "\(tree)/\(entry.path)"
    try cache.make(URL(fileURLWithPath: target).deletingLastPathComponent().path)
    let name = entry.path.pathNames.last.map(String.init) ?? entry.path
    let found = try file(entry.digest, name, limits)
    guard link(found, target) == 0 else {
      throw SharedError.file(path: target, reason: "cannot be made: \(SharedError.lastReason)")
    }
  }
}
