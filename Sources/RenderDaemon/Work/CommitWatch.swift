import Foundation

/// Tells by inotify when another process writes to the queue's log, as every commit does. So a waiting daemon hears
/// of a job within a millisecond without looking a hundred times per second.
///
/// It only tells when to look. While a commit's pages are being written, the commit is not visible yet, so several
/// looks follow in quick succession. If inotify is not available, the daemon looks at its usual pace.
package final class CommitWatch: Sendable {
  /// Readable when there are events.
  package let descriptor: Int32
  /// Name of the database. Names of its other files begin with it.
  private let name: [UInt8]

  /// nil if inotify is not available.
  package init?(database: String) {
    // SQLite's log is beside the real file, links followed.
    let url = URL(fileURLWithPath: ModelLocator.resolved(database))
    name = Array(url.lastPathComponent.utf8)
    let opened = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
    let folder = url.deletingLastPathComponent().path
    // The folder is watched rather than the log, which may be removed and created again.
    let kinds = UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO)
    guard opened >= 0 else { return nil }
    descriptor = opened
    guard inotify_add_watch(opened, folder, kinds) >= 0 else { return nil }
  }

  deinit { close(descriptor) }

  /// Reads the waiting events.
  /// - Returns: whether any of them is about the queue.
  package func hears() -> Bool {
    var isOurs = false
    var buffer = [UInt8](repeating: 0, count: 8192)
    while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
      isOurs = isOurs || Self.names(in: buffer.prefix(count)).contains { $0.starts(with: name) }
    }
    return isOurs
  }

  /// The names in a buffer of events. As in inotify(7), each event is a watch, a mask, a cookie and a length of four
  /// bytes each, then the name, padded with zeros.
  private static func names(in events: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var names: [ArraySlice<UInt8>] = []
    var rest = events
    while rest.count >= 16 {
      let header = rest.prefix(16)
      let length = header.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      names.append(rest.dropFirst(16).prefix(length).prefix { $0 != 0 })
      rest = rest.dropFirst(16 + length)
    }
    return names
  }
}
