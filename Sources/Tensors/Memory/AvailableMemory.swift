import Foundation

/// How much more memory this process may take before something is killed for it.
package enum AvailableMemory {
  /// In bytes; nil where the kernel doesn't say.
  package static var bytes: Int? {
    bytes(
      groups: KernelFile.text("/proc/self/cgroup") ?? "", resident: Int(ResidentMemory.bytes),
      read: KernelFile.text)
  }

  /// The least of what the machine has left without swapping, and of what the control groups (version 2) in
  /// `/proc/self/cgroup`'s text and those above them allow beyond what is resident.
  /// - Parameters:
  ///   - groups: the text of `/proc/self/cgroup`.
  ///   - resident: bytes that this process has resident.
  ///   - read: the text of a file, nil if it cannot be read.
  package static func bytes(groups: String, resident: Int, read: (String) -> String?) -> Int? {
    var least = read("/proc/meminfo").flatMap { KernelFile.bytes("MemAvailable", in: $0) }
    for line in groups.split(separator: "\n") where line.hasPrefix("0::") {
      for folder in KernelFile.groupFolders("/sys/fs/cgroup", line.dropFirst(3)) {
        let text = read(folder + "/memory.max")?.trimmingCharacters(in: .whitespacesAndNewlines)
        guard let limit = text.flatMap({ Int($0) }) else { continue }
        least = min(least ?? .max, max(0, limit - resident))
      }
    }
    return least
  }
}
