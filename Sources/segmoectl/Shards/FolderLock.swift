import Boundary
import CommandLine
import Glibc

/// A folder in which one command works at a time. The lock ends with its process, whatever becomes of its file.
struct FolderLock {
  private let path: String
  private let lock: FileLock

  /// Takes the lock, and makes the folder for this user alone if it is not there.
  /// - Parameters:
  ///   - folder: absolute path.
  ///   - command: who works in it, for the one that is refused.
  /// - Throws: `Problem` if another has it, or the folder takes no file.
  init(_ folder: String, for command: String) throws {
    path = folder + "/.lock"
    // Whoever had it may remove the folder between these steps.
    for _ in 0..<1000 {
      try NewFolder.make(folder, mode: 0o700)
      do throws(FileLock.Fault) {
        lock = try FileLock(path: path, isStopped: { true }, isWaiting: {})
        return
      } catch {
        switch error {
        case .file(code: ENOENT): continue
        case .file(let code):
          throw Problem.failed("\(path) cannot be made: \(String(cString: strerror(code)))")
        case .stopped:
          throw Problem.unavailable("another `\(command)` works in \(folder): wait until it has ended")
        }
      }
    }
    throw Problem.failed("\(path) is removed again and again")
  }

  /// Lets the next one work there.
  func release() { withExtendedLifetime(lock) { _ = unlink(path) } }
}
