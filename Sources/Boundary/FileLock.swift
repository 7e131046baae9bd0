import Glibc

/// A lock between programs: `flock` on a file, as in Python's `filelock`. It ends with its process, so no lock is left
/// behind. On some shared file systems several programs can hold it at once, so nothing may rely on it alone.
package final class FileLock {
  /// Why there is no lock.
  package enum Fault: Error, Equatable {
    /// The file cannot be made: the system's error.
    case file(code: Int32)
    /// The caller gave up waiting.
    case stopped
  }

  private let descriptor: Int32

  /// Waits for the lock.
  /// - Parameters:
  ///   - path: of the file, which is made if it is not there.
  ///   - isStopped: asked ten times a second while it waits; true ends the wait.
  ///   - isWaiting: called once if waiting takes more than two seconds.
  /// - Throws: `Fault`
  package init(path: String, isStopped: () -> Bool, isWaiting: () -> Void) throws(Fault) {
    var tries = 0
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o664)
      guard descriptor >= 0 else { throw .file(code: errno) }
      while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
        // The file system has no locks.
        if errno != EWOULDBLOCK && errno != EINTR { break }
        if isStopped() {
          close(descriptor)
          throw .stopped
        }
        tries += 1
        if tries == 20 { isWaiting() }
        usleep(100_000)
      }
      var status = stat()
      if fstat(descriptor, &status) == 0, status.st_nlink > 0 {
        self.descriptor = descriptor
        return
      }
      // The file was removed while we waited. Others will lock a new file of that name.
      close(descriptor)
    }
  }

  deinit { close(descriptor) }
}
