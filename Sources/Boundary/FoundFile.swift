import Glibc

/// A file or folder that is open, and what it was when it was opened.
package struct FoundFile: ~Copyable {
  /// The real path inside a confinement; else the path as given.
  package let path: String
  /// Kind, size, identity and times.
  package let status: stat
  private let descriptor: Descriptor

  /// Takes over an open descriptor.
  /// - Throws: `OpenFailure.refused`; then it is closed.
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

  /// Whether it is a file with content of its own: no pipe, socket or device.
  package var isRegular: Bool { status.st_mode & S_IFMT == S_IFREG }

  var isLink: Bool { status.st_mode & S_IFMT == S_IFLNK }

  /// What tells it from any other file, and from itself after it was written to.
  package var identity: FileIdentity { FileIdentity(status) }

  /// Does something with the descriptor, which stays open meanwhile.
  func with<Result, Failure: Error>(_ body: (Int32) throws(Failure) -> Result) throws(Failure) -> Result {
    try body(descriptor.number)
  }

  /// Gives the descriptor away; the caller closes it.
  package consuming func take() -> Int32 { descriptor.take() }
}

/// An open descriptor, which is closed when nobody has it any more.
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

/// One state of one file.
package struct FileIdentity: Hashable, Sendable {
  private let numbers: [Int]

  /// - Parameter status: of the file.
  package init(_ status: stat) {
    numbers = [
      Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), Int(status.st_size),
      Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec),
      // Nobody can set this one back.
      Int(status.st_ctim.tv_sec), Int(status.st_ctim.tv_nsec),
    ]
  }
}

/// Why a file was not opened.
package enum OpenFailure: Error, Equatable {
  /// It is, or a link on the way leads, outside the folders that files may be opened in. Nothing outside was looked
  /// at, so this says nothing of what is there.
  case outside
  /// It is not the file that was there when the files were looked through.
  case exchanged
  /// The system refused, with this `errno`.
  case refused(Int32)

  /// Whether it says nothing of the file: this process or the machine has no descriptors or memory left.
  package var isShortage: Bool {
    if case .refused(let code) = self { return [EMFILE, ENFILE, ENOMEM].contains(code) }
    return false
  }
}
