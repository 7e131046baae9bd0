import Boundary
import Checkpoints
import Glibc
import HTTP

/// Hashes of large files that were pushed before, so that pushing again need not read the files.
struct HashMemory {
  private let path: String
  private var hashes: [String: String]

  /// - Parameter key: identifies what is pushed where: the hub, the repository and the folder.
  init(folder: String, key: String) {
    var digest = Digest(.sha256)
    digest.add(Array(key.utf8))
    path = "\(folder)/push/\(digest.hexadecimal()).json"
    hashes = [:]
    guard access(path, F_OK) == 0,
      let json = try? JSONValue(contentsOf: path, purpose: "hashes of an earlier push"),
      case .object(let members) = json
    else { return }
    for case (let key, .string(let hash)) in members where Digest.isHexadecimal(hash, 64) {
      hashes[key] = hash
    }
  }

  private static func key(_ file: LocalFile) -> String {
    file.identity.map(String.init).joined(separator: ".")
  }

  /// The SHA-256 of a file, remembered or computed.
  /// - Throws: `HubError`
  mutating func hash(_ file: LocalFile, stop: StopFlag) throws -> String {
    if file.place == nil {
      var digest = Digest(.sha256)
      digest.add(file.content)
      return digest.hexadecimal()
    }
    if let known = hashes[Self.key(file)] { return known }
    let hash = try file.read { descriptor in
      var digest = Digest(.sha256)
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
      defer { buffer.deallocate() }
      while true {
        if stop.isSet { throw HubError.stopped }
        let got = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        if got < 0, errno == EINTR { continue }
        guard got >= 0 else { throw HubError.system(file.path) }
        if got == 0 { break }
        digest.add(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
      }
      return digest.hexadecimal()
    }
    try file.checkUnchanged()
    hashes[Self.key(file)] = hash
    return hash
  }

  /// Saves the hashes. A failure is ignored.
  func save() {
    guard !hashes.isEmpty else { return }
    try? Folder.make(Folder.parent(of: path))
    let json = JSONValue.object(hashes.mapValues { .string($0) })
    try? Folder.write(json.text + "\n", to: path, temporary: "\(path).\(getpid()).tmp")
  }
}
