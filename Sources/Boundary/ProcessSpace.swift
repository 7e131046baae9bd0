import Foundation

/// The processes among which a process number means something: a namespace, see pid_namespaces(7). The daemons of two
/// containers may both be process 7 of a host of one name.
package enum ProcessSpace {
  /// That of this process, such as `pid:[4026531836]`; nil where the kernel does not tell.
  package static let current: String? = try? FileManager.default.destinationOfSymbolicLink(
    atPath: "/proc/self/ns/pid")

  /// Whether a process has certainly ended.
  /// - Parameters:
  ///   - pid: its number.
  ///   - space: the space in which it has that number; nil: not known.
  /// - Returns: False if it runs, if its number belongs to another process by now, or if it cannot be seen from here.
  package static func hasEnded(pid: Int, in space: String?) -> Bool {
    guard let space, space == current, let pid = pid_t(exactly: pid), pid > 0 else { return false }
    return kill(pid, 0) != 0 && errno == ESRCH
  }
}
