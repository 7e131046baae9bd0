import Glibc

/// An open file or folder, and its status at the time of opening.
package struct FoundFile: ~Copyable {
  /// Inside a confinement the real path, otherwise the path as given.
  package let path: String
  /// Kind, size, identity and times.
  package let status: stat
  private let descriptor: Descriptor

  /// Takes over an open descriptor.
  /// - Throws: `OpenFailure.refused`. The descriptor is closed then.
  init(path: String, descriptor: Int32) throws(OpenFailure) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw .refused(code)
    }
    self.path = path
    self.status = status
    self.descriptor = Descriptor(number: descriptor)
  }

  /// Whether it is a folder.
  package var isFolder: Bool { status.st_mode & S_IFMT == S_IFDIR }

  /// Whether it is a regular file: no folder, pipe, socket or device.
  package var isRegular: Bool { status.st_mode & S_IFMT == S_IFREG }

  var isLink: Bool { status.st_mode & S_IFMT == S_IFLNK }

  /// The file's identity and state. It changes when the file is replaced or written to.
  package var identity: FileIdentity { FileIdentity(status) }

  /// Calls `body` with the descriptor, which stays open until `body` returns.
  func with<Result, Failure: Error>(_ body: (Int32) throws(Failure) -> Result) throws(Failure) -> Result {
    try body(descriptor.number)
  }

  /// Hands the descriptor over. The caller has to close it.
  package consuming func take() -> Int32 { descriptor.take() }
}

/// An open descriptor, closed together with its owner.
private struct Descriptor: ~Copyable {
  let number: Int32

  init(number: Int32) { self.number = number }

  deinit { close(number) }

  consuming func take() -> Int32 {
    let number = number
    discard self
    return number
  }
}

/// Identifies a file in one state: before and after a write it differs.
package struct FileIdentity: Hashable, Sendable {
  /// Changed by every write, unless the time is set back afterwards.
  private let content: [Int]
  /// May change without a change of the content.
  private let entry: [Int]
  /// The time of the last change of either. No program can set it back.
  private let changed: [Int]

  /// - Parameter status: the file's status.
  package init(_ status: stat) {
    content = [
      Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), Int(status.st_size),
      Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec),
    ]
    entry = [
      Int(truncatingIfNeeded: status.st_nlink), Int(status.st_mode), Int(status.st_uid), Int(status.st_gid),
    ]
    changed = [Int(status.st_ctim.tv_sec), Int(status.st_ctim.tv_nsec)]
  }

  /// Numbers that differ for another file, and for this one after a write.
  package var mark: String { (content + changed).map(String.init).joined(separator: ".") }

  /// When content or entry changed last, in seconds since 1970.
  package var lastChange: Int { changed[0] }

  /// Whether the content can still be the same later. Deleting, replacing and changing the owner show in the entry. If
  /// the file changed and the entry did not, the content changed.
  package func hasContent(of later: FileIdentity) -> Bool {
    content == later.content && (changed == later.changed || entry != later.entry)
  }
}

/// Why a file was not opened.
package enum OpenFailure: Error, Equatable {
  /// The path, or a link on it, leads outside the allowed folders. Nothing outside was looked at, so this does not tell
  /// whether anything is there.
  case outside
  /// The file has been replaced since it was checked.
  case exchanged
  /// The system refused, with this `errno`.
  case refused(Int32)

  /// Whether descriptors or memory have run out, in the process or the machine. The file may be sound.
  package var isShortage: Bool {
    if case .refused(let code) = self { return [EMFILE, ENFILE, ENOMEM].contains(code) }
    return false
  }
}
