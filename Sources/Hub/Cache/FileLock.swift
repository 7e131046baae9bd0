import Glibc

/// A lock between programs: `flock` on a file, as in Python's `filelock`. It ends with its process, so no lock is left
/// behind. On some shared file systems several programs can hold it at once, so nothing may rely on it alone.
final class FileLock {
  private let descriptor: Int32

  /// Waits for the lock.
  /// - Parameter isWaiting: called once if waiting takes more than two seconds.
  /// - Throws: `HubError.file` if the file cannot be made, `HubError.stopped`.
  init(path: String, stop: StopFlag, isWaiting: () -> Void) throws(HubError) {
    var tries = 0
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o664)
      guard descriptor >= 0 else { throw .system(path) }
      while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
        // The file system has no locks.
        if errno != EWOULDBLOCK && errno != EINTR { break }
        if stop.isSet {
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

extension HubError {
  /// The system's last error about a file.
  static func system(_ path: String) -> HubError {
    .file(path: path, reason: String(cString: strerror(errno)))
  }
}
