import Foundation

/// Hears from the kernel (inotify) when somebody writes to the queue's log, which every commit does: a daemon that
/// waits need not look a hundred times a second, and hears of a job within a millisecond.
///
/// It only says when to look. A commit is not there yet while its pages are being written, hence the looks that
/// follow in quick succession; and where nothing is heard (no inotify left, a file system without it) looks come as
/// often as they would without.
package final class CommitWatch: Sendable {
  /// Readable when there is something to hear.
  package let descriptor: Int32
  /// The names that matter begin with the database's.
  private let name: [UInt8]

  /// nil where there is nothing to listen with.
  package init?(database: String) {
    // Beside the real file, as SQLite has it.
    let url = URL(fileURLWithPath: ModelLocator.resolved(database))
    name = Array(url.lastPathComponent.utf8)
    let opened = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
    let folder = url.deletingLastPathComponent().path
    // The folder: the log may go and come again.
    let kinds = UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO)
    guard opened >= 0 else { return nil }
    descriptor = opened
    guard inotify_add_watch(opened, folder, kinds) >= 0 else { return nil }
  }

  deinit { close(descriptor) }

  /// Takes in what there is to hear.
  /// - Returns: whether any of it is about the queue.
  package func hears() -> Bool {
    var isOurs = false
    var buffer = [UInt8](repeating: 0, count: 8192)
    while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
      isOurs = isOurs || Self.names(in: buffer.prefix(count)).contains { $0.starts(with: name) }
    }
    return isOurs
  }

  /// inotify(7): a watch, a mask and a cookie of four bytes each, the length of the name, the name with zeros
  /// behind it.
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
