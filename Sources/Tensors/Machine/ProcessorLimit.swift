import CKernels
import Foundation

/// How many processors this process may keep busy. The affinity mask gives the number (it includes cpusets). The CPU
/// quotas of the control group and all groups above it may lower it.
package enum ProcessorLimit {
  /// Processors to use by default.
  package static var current: Int {
    let mask = Int(segmoe_affinity_count())
    let groups = KernelFile.text("/proc/self/cgroup") ?? ""
    return processors(
      mask: mask > 0 ? mask : ProcessInfo.processInfo.activeProcessorCount,
      quota: quota(groups: groups, read: KernelFile.text))
  }

  /// Whole processors for a quota: rounded up, at least one, no more than the mask has.
  package static func processors(mask: Int, quota: Double?) -> Int {
    guard let quota, quota < Double(mask) else { return max(1, mask) }
    return max(1, Int(quota.rounded(.up)))
  }

  /// The smallest quota, in processors, of the control groups in the text of `/proc/self/cgroup` and those
  /// above them; nil if none is limited.
  /// - Parameters:
  ///   - groups: the text of `/proc/self/cgroup`.
  ///   - read: the text of a file, nil if it cannot be read.
  package static func quota(groups: String, read: (String) -> String?) -> Double? {
    var least: Double?
    for line in groups.split(separator: "\n") {
      // hierarchy-ID:controllers:path
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",")
      if fields[0] == "0" && controllers.isEmpty {
        for folder in KernelFile.groupFolders("/sys/fs/cgroup", fields[2]) {
          least = lesser(least, read(folder + "/cpu.max").flatMap { quota(max: $0) })
        }
      } else if controllers.contains("cpu") {
        for root in ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/" + fields[1]] {
          for folder in KernelFile.groupFolders(root, fields[2]) {
            guard let quotaText = read(folder + "/cpu.cfs_quota_us"),
              let period = read(folder + "/cpu.cfs_period_us")
            else { continue }
            least = lesser(least, quota(microseconds: quotaText, period: period))
          }
        }
      }
    }
    return least
  }

  /// Processors by the text of a version 2 `cpu.max`, `QUOTA PERIOD`; nil for `max` or nonsense.
  package static func quota(max text: String) -> Double? {
    let fields = text.split(whereSeparator: \.isWhitespace)
    guard fields.count == 2 else { return nil }
    return quota(microseconds: String(fields[0]), period: String(fields[1]))
  }

  /// Processors by the texts of a version 1 `cpu.cfs_quota_us` and `cpu.cfs_period_us`; nil for −1
  /// (no limit) or nonsense.
  package static func quota(microseconds text: String, period: String) -> Double? {
    guard let quota = Double(text.trimmingCharacters(in: .whitespacesAndNewlines)),
      let period = Double(period.trimmingCharacters(in: .whitespacesAndNewlines)),
      quota > 0, period > 0, quota.isFinite, period.isFinite
    else { return nil }
    return quota / period
  }

  private static func lesser(_ a: Double?, _ b: Double?) -> Double? {
    guard let a, let b else { return a ?? b }
    return min(a, b)
  }
}
