import Foundation

/// Files in which Linux describes the process, the machine and control groups.
enum KernelFile {
  /// The text of a file; nil if it cannot be read.
  static func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

  /// A field like `VmRSS:    5 kB` of a text like `/proc/meminfo`'s, in bytes; nil if it is not there.
  static func bytes(_ field: String, in text: String) -> Int? {
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(field + ":") }) else {
      return nil
    }
    let fields = line.dropFirst(field.count + 1).split(whereSeparator: \.isWhitespace)
    guard let count = fields.first.flatMap({ Int($0) }) else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: 1024)
    return overflow ? nil : bytes
  }

  /// The folders of a control group and of every group above it, including the root. In a container, the group's own
  /// path is often not visible, but its root is.
  static func groupFolders(_ root: String, _ path: Substring) -> [String] {
    var parts = path.split(separator: "/")
    var folders = [root]
    while !parts.isEmpty {
      folders.append(root + "/" + parts.joined(separator: "/"))
      parts.removeLast()
    }
    return folders
  }
}
