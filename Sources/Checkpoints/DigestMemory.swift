import Boundary
import Glibc

/// Hashes of large model files, kept in a folder of their own from one start to the next. A start that finds them need
/// not hash gigabytes before the first step.
///
/// A hash is taken again for a file of the same device, inode, size and times, the time of the inode's change among
/// them, which no program can set. Images of file systems may be made with the same numbers and times for other content.
/// So samples of the content are compared, too.
package struct DigestMemory: Sendable {
  private let folder: String
  /// A file that changed less than so many seconds ago is not remembered: the next write may leave its times equal.
  private let settling: Int
  /// Entries that are kept. One has 32 bytes for each 16 MiB of its file.
  private let capacity: Int

  /// Files below this size are hashed every time.
  private static let smallest = 16 << 20
  private static let samples = 64
  private static let sampleSize = 4096
  private static let digestSize = 32

  /// - Parameters:
  ///   - folder: where the hashes are. It is made when it is needed. One that is another user's, or that others may write
  ///     into, counts as none: whoever may exchange entries could give a file another's hash.
  ///   - seconds: how old a file's last change must be.
  ///   - capacity: entries that are kept.
  package init(folder: String, settlingFor seconds: Int = 3, capacity: Int = 500) {
    self.folder = folder
    settling = seconds
    self.capacity = capacity
  }

  /// The hashes of a file's pieces, remembered or computed.
  /// - Parameters:
  ///   - reader: the file.
  ///   - count: the number of its pieces.
  ///   - compute: hashes them, in order.
  /// - Throws: what reading and `compute` throw. If nothing can be remembered, that is no error.
  package func digests(
    of reader: FileReader, count: Int, _ compute: () throws -> [[UInt8]]
  ) throws -> [[UInt8]] {
    guard reader.size >= Self.smallest else { return try compute() }
    let sample = try sample(of: reader)
    let path = "\(folder)/\(Digest.hexadecimal(of: Array(reader.mark.utf8)))"
    if let known = read(path, sample: sample, count: count) { return known }
    let digests = try compute()
    if reader.isSettled(for: settling) { keep(sample + digests.joined(), at: path) }
    return digests
  }

  /// A hash of parts of a file that are spread over it.
  private func sample(of reader: FileReader) throws -> [UInt8] {
    var digest = Digest()
    let last = reader.size - Self.sampleSize
    for index in 0..<Self.samples {
      let start = last / (Self.samples - 1) * index
      try digest.add(start..<start + Self.sampleSize, of: reader)
    }
    return digest.bytes()
  }

  /// The hashes in an entry; nil if there is none, or it is damaged, or not of this content.
  private func read(_ path: String, sample: [UInt8], count: Int) -> [[UInt8]]? {
    guard isOwn else { return nil }
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    let size = (count + 2) * Self.digestSize
    guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o022 == 0,
      status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) == size
    else { return nil }
    var bytes = [UInt8](repeating: 0, count: size)
    guard pread(descriptor, &bytes, size, 0) == size else { return nil }
    var parts = stride(from: 0, to: size, by: Self.digestSize).map { Array(bytes[$0..<$0 + Self.digestSize]) }
    let seal = parts.removeLast()
    guard parts.first == sample, seal == Self.seal(parts.joined()) else { return nil }
    // Entries that are in use are the newest.
    _ = utimensat(AT_FDCWD, path, nil, AT_SYMLINK_NOFOLLOW)
    return Array(parts.dropFirst())
  }

  /// Writes an entry. Half an entry, after a crash, has no right seal.
  private func keep(_ bytes: [UInt8], at path: String) {
    makeFolder()
    guard isOwn else { return }
    let temporary = "\(folder)/.new-\(UInt32.random(in: 0 ... .max))"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    let bytes = bytes + Self.seal(bytes)
    let isWritten = write(descriptor, bytes, bytes.count) == bytes.count
    close(descriptor)
    if !isWritten || rename(temporary, path) != 0 { unlink(temporary) }
    tidy()
  }

  private func makeFolder() {
    for end in folder.indices where folder[end] == "/" { mkdir(String(folder[..<end]), 0o700) }
    mkdir(folder, 0o700)
  }

  /// Whether this user alone may write into the folder.
  private var isOwn: Bool {
    var status = stat()
    return stat(folder, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      && status.st_uid == geteuid() && status.st_mode & 0o022 == 0
  }

  private static func seal(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var digest = Digest()
    digest.add(Array("segmoe digests 1\0".utf8) + bytes)
    return digest.bytes()
  }

  /// Removes the entries that were used longest ago, and what is half written.
  private func tidy() {
    guard let stream = opendir(folder) else { return }
    defer { closedir(stream) }
    var entries: [(name: String, used: timespec)] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      var status = stat()
      guard name != ".", name != "..", lstat("\(folder)/\(name)", &status) == 0,
        status.st_mode & S_IFMT == S_IFREG
      else { continue }
      if name.hasPrefix(".new-"), status.st_mtim.tv_sec < time(nil) - 3600 {
        unlink("\(folder)/\(name)")
      } else if name.utf8.count == 2 * Self.digestSize {
        entries.append((name, status.st_mtim))
      }
    }
    guard entries.count > capacity else { return }
    let old = entries.sorted { ($0.used.tv_sec, $0.used.tv_nsec) < ($1.used.tv_sec, $1.used.tv_nsec) }
    for entry in old.prefix(entries.count - capacity) { unlink("\(folder)/\(entry.name)") }
  }
}
