import Foundation
import Glibc

/// How much more memory this process may take before the system refuses memory or kills a process, and how much it could
/// have at most.
package enum AvailableMemory {
  /// In bytes; nil if the kernel does not say.
  package static var bytes: Int? {
    bytes(
      groups: KernelFile.text("/proc/self/cgroup") ?? "", resident: Int(ResidentMemory.bytes),
      system: systemFree, read: KernelFile.text)
  }

  /// The least of three: what the machine has left without swapping, what the process's control groups and those above
  /// them allow (versions 1 and 2), and what the process's own limits allow (`ulimit -v` and `-d`).
  /// - Parameters:
  ///   - groups: the text of `/proc/self/cgroup`.
  ///   - resident: this process's resident bytes. They are used if a group does not tell its processes' total.
  ///   - system: the machine's free bytes, used if no file tells them.
  ///   - read: the text of a file, nil if it cannot be read.
  package static func bytes(
    groups: String, resident: Int, system: Int? = nil, read: (String) -> String?
  ) -> Int? {
    let ofGroups = groups.split(separator: "\n").flatMap { left(inGroup: $0, resident: resident, read) }
    return ([machine(read) ?? system] + ofGroups + limits(read)).compactMap { $0 }.min()
  }

  /// Bytes that this process could have if nobody else took any, as they were when it first asked; nil if the kernel does
  /// not say. What is free at the moment does not change them.
  package static let total = total(
    groups: KernelFile.text("/proc/self/cgroup") ?? "", system: systemTotal, read: KernelFile.text)

  /// The least of three: what the machine has, the limits of the process's control groups and those above them, and the
  /// process's own limits.
  /// - Parameters:
  ///   - groups: the text of `/proc/self/cgroup`.
  ///   - system: the machine's bytes, used if no file tells them.
  ///   - read: the text of a file, nil if it cannot be read.
  package static func total(groups: String, system: Int? = nil, read: (String) -> String?) -> Int? {
    let ofGroups = groups.split(separator: "\n").flatMap { line in
      folders(ofGroup: line).map { files, folder in files.limit(in: folder, read) }
    }
    return ([machineTotal(read) ?? system] + ofGroups + ownLimits(read).map(\.limit)).compactMap { $0 }.min()
  }

  // MARK: The machine

  private static func machine(_ read: (String) -> String?) -> Int? {
    if let bytes = read("/proc/meminfo").flatMap({ KernelFile.bytes("MemAvailable", in: $0) }) {
      return bytes
    }
    // systemd's ProcSubset=pid hides that file. The files of the memory nodes tell nearly the same: free memory, and
    // the page cache, which the kernel gives up when memory is needed.
    return nodes(of: "MemFree", and: ["Active(file)", "Inactive(file)"], read)
  }

  private static func machineTotal(_ read: (String) -> String?) -> Int? {
    read("/proc/meminfo").flatMap { KernelFile.bytes("MemTotal", in: $0) } ?? nodes(of: "MemTotal", read)
  }

  /// The sum of numbers of all memory nodes that tell the first of them; nil if none does.
  private static func nodes(
    of name: String, and others: [String] = [], _ read: (String) -> String?
  ) -> Int? {
    let nodes = (0..<mostNodes).compactMap { node -> Int? in
      guard let text = read("/sys/devices/system/node/node\(node)/meminfo"),
        let first = KernelFile.bytes("Node \(node) \(name)", in: text)
      else { return nil }
      return others.compactMap { KernelFile.bytes("Node \(node) \($0)", in: text) }.reduce(first, +)
    }
    return nodes.isEmpty ? nil : nodes.reduce(0, +)
  }

  /// How many memory nodes are looked for.
  private static let mostNodes = 64

  /// Free memory by a system call. It leaves out the page cache, so the number is rather too small.
  private static var systemFree: Int? { pages(_SC_AVPHYS_PAGES) }

  private static var systemTotal: Int? { pages(_SC_PHYS_PAGES) }

  private static func pages(_ name: Int) -> Int? {
    let (pages, bytes) = (sysconf(Int32(name)), sysconf(Int32(_SC_PAGESIZE)))
    return pages > 0 && bytes > 0 ? pages * bytes : nil
  }

  // MARK: Control groups

  /// What a group and the groups above it have left. Groups without a limit are left out.
  /// - Parameter line: the line of `/proc/self/cgroup`, `hierarchy-ID:controllers:path`.
  private static func left(
    inGroup line: Substring, resident: Int, _ read: (String) -> String?
  ) -> [Int?] {
    folders(ofGroup: line).map { files, folder in files.left(in: folder, resident: resident, read) }
  }

  /// The folders of a group and of the groups above it, with the names of their files.
  private static func folders(ofGroup line: Substring) -> [(files: GroupFiles, folder: String)] {
    let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count == 3 else { return [] }
    let files: GroupFiles
    if fields[0] == "0" && fields[1].isEmpty {
      files = .versionTwo
    } else if fields[1].split(separator: ",").contains("memory") {
      files = .versionOne
    } else {
      return []
    }
    return KernelFile.groupFolders(files.root, fields[2]).map { (files, $0) }
  }

  /// The names of a control group's memory files, in one version of control groups.
  private struct GroupFiles {
    static let versionTwo = GroupFiles(
      root: "/sys/fs/cgroup", limits: ["memory.max", "memory.high"], usage: "memory.current",
      reclaimable: ["inactive_file", "active_file", "slab_reclaimable"])
    static let versionOne = GroupFiles(
      root: "/sys/fs/cgroup/memory", limits: ["memory.limit_in_bytes"], usage: "memory.usage_in_bytes",
      reclaimable: ["total_inactive_file", "total_active_file"])

    let root: String
    /// Above `memory.high` a group is slowed to a crawl, so it is a limit as well.
    let limits: [String]
    let usage: String
    /// Fields of `memory.stat`: memory that the kernel gives up when it is needed.
    let reclaimable: Set<String>

    /// What a group may have; nil if it has no limit.
    func limit(in folder: String, _ read: (String) -> String?) -> Int? {
      limits.compactMap { read(folder + "/" + $0).flatMap(Self.number) }.min()
    }

    /// What a group has left; nil if it has no limit.
    func left(in folder: String, resident: Int, _ read: (String) -> String?) -> Int? {
      guard let limit = limit(in: folder, read) else { return nil }
      guard let used = read(folder + "/" + usage).flatMap(Self.number) else {
        return max(0, limit - resident)
      }
      var files = 0
      for line in (read(folder + "/memory.stat") ?? "").split(separator: "\n") {
        let fields = line.split(separator: " ").map(String.init)
        guard fields.count == 2, reclaimable.contains(fields[0]), let bytes = Int(fields[1]) else { continue }
        files += max(0, min(bytes, used))
      }
      return max(0, limit - max(0, used - files))
    }

    /// nil for `max` and for anything that is no number.
    private static func number(_ text: String) -> Int? {
      Int(text.trimmingCharacters(in: .whitespacesAndNewlines)).flatMap { $0 >= 0 ? $0 : nil }
    }
  }

  // MARK: The process

  /// What is left of the limits of addresses and of data. They are read from files, because a sandbox may forbid the
  /// system call.
  private static func limits(_ read: (String) -> String?) -> [Int?] {
    guard let status = read("/proc/self/status") else { return [] }
    return ownLimits(read).map { limit, field in
      KernelFile.bytes(field, in: status).map { max(0, limit - $0) }
    }
  }

  /// The limits of addresses and of data, less `addresses`, and what of `/proc/self/status` counts against each.
  private static func ownLimits(_ read: (String) -> String?) -> [(limit: Int, field: String)] {
    guard let limits = read("/proc/self/limits") else { return [] }
    return [("Max address space", "VmSize"), ("Max data size", "VmData")].compactMap { name, field in
      guard let line = limits.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
        let limit = line.dropFirst(name.count).split(separator: " ").first.flatMap({ Int($0) })
      else { return nil }
      return (max(0, limit - addresses), field)
    }
  }

  /// Addresses that threads and the C library reserve and never use.
  private static let addresses = 256 << 20
}
