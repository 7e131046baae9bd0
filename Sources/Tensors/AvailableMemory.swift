import Foundation

/// How much more memory this process may take before something is killed for it.
package enum AvailableMemory {
  /// In bytes; nil where the kernel doesn't say.
  package static var bytes: Int? {
    bytes(
      groups: contents("/proc/self/cgroup") ?? "", resident: Int(ResidentMemory.bytes), read: contents)
  }

  /// The least of what the machine has left without swapping, and of what the control groups (version 2) in
  /// `/proc/self/cgroup`'s text and those above them allow beyond what is resident.
  /// - Parameter read: the text of a file, nil if it cannot be read.
  package static func bytes(groups: String, resident: Int, read: (String) -> String?) -> Int? {
    var least = read("/proc/meminfo").flatMap(available(meminfo:))
    for line in groups.split(separator: "\n") where line.hasPrefix("0::") {
      for folder in ProcessorLimit.foldersUp("/sys/fs/cgroup", line.dropFirst(3)) {
        guard let limit = read(folder + "/memory.max").flatMap({ Int($0.trimming) }) else { continue }
        least = min(least ?? .max, max(0, limit - resident))
      }
    }
    return least
  }

  /// `MemAvailable` of `/proc/meminfo`'s text, in bytes.
  static func available(meminfo text: String) -> Int? {
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }) else {
      return nil
    }
    return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }

  private static func contents(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}

extension String {
  fileprivate var trimming: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
