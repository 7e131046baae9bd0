import Glibc

/// A lock between programs: `flock` on a file, as Python's `filelock` takes it. It ends with its process, so that no
/// lock stays behind. Some shared file systems give it to everybody, hence nothing may rest on it alone.
final class FileLock {
  private let descriptor: Int32

  /// Waits for the lock.
  /// - Parameter isWaiting: called once if that takes more than two seconds.
  /// - Throws: `HubError.file` if the file cannot be made, `HubError.stopped`.
  init(path: String, stop: StopFlag, isWaiting: () -> Void) throws(HubError) {
    var tries = 0
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o664)
      guard descriptor >= 0 else { throw .system(path) }
      while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
        // A file system without locks.
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
      // Somebody removed the file while we waited: the next one takes another.
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
