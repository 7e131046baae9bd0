import Boundary
import Glibc
import HTTP

extension FileLock {
  /// Waits for the lock.
  /// - Parameter isWaiting: called once if waiting takes more than two seconds.
  /// - Throws: `HubError.file` if the file cannot be made, `HubError.stopped`.
  convenience init(path: String, stop: StopFlag, isWaiting: () -> Void) throws(HubError) {
    do throws(Fault) {
      try self.init(path: path, isStopped: { stop.isSet }, isWaiting: isWaiting)
    } catch {
      switch error {
      case .stopped: throw .stopped
      case .file(let code): throw .file(path: path, reason: String(cString: strerror(code)))
      }
    }
  }
}

extension HubError {
  /// The system's last error about a file.
  static func system(_ path: String) -> HubError {
    .file(path: path, reason: String(cString: strerror(errno)))
  }
}
