import CommandLine
import Glibc

/// A folder in which one command works at a time: `flock` on a file in it. The lock ends with its process, whatever
/// becomes of the file. Where a file system has no locks, nothing is held back.
struct FolderLock {
  private let path: String
  private let descriptor: Int32

  /// Takes the lock, and makes the folder for this user alone if it is not there.
  /// - Parameters:
  ///   - folder: absolute path.
  ///   - command: who works in it, for the one that is refused.
  /// - Throws: `Problem` if another has it, or the folder takes no file.
  init(_ folder: String, for command: String) throws {
    path = folder + "/.lock"
    // Whoever had it may remove the file, or the folder, between two of these steps.
    for _ in 0..<1000 {
      try NewFolder.make(folder, mode: 0o700)
      let opened = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
      if opened < 0 {
        guard errno == ENOENT else {
          throw Problem.failed("\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
        continue
      }
      if flock(opened, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
        close(opened)
        throw Problem.unavailable("another `\(command)` works in \(folder): wait until it has ended")
      }
      if Self.isSame(opened, path) {
        descriptor = opened
        return
      }
      close(opened)
    }
    throw Problem.failed("\(path) is removed again and again")
  }

  /// Lets the next one work there.
  func release() {
    unlink(path)
    close(descriptor)
  }

  private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
    var (mine, there) = (stat(), stat())
    return fstat(descriptor, &mine) == 0 && lstat(path, &there) == 0 && mine.st_ino == there.st_ino
      && mine.st_dev == there.st_dev
  }
}
