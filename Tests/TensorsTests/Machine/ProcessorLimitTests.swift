import Foundation
import Tensors
import Testing

/// How many threads a control group leaves room for.
@Suite struct ProcessorLimitTests {
  @Test(
    arguments: [
      ("max 100000\n", nil), ("150000 100000\n", 1.5), ("100000 50000", 2), ("", nil), ("7", nil),
      ("a b", nil), ("-1 100000", nil), ("100000 0", nil), ("nan 1", nil), ("inf 100000", nil),
    ] as [(String, Double?)])
  func versionTwo(_ text: String, _ expected: Double?) {
    #expect(ProcessorLimit.quota(max: text) == expected)
  }

  @Test(
    arguments: [
      ("-1\n", "100000\n", nil), ("50000\n", "100000\n", 0.5), ("300000", "100000", 3), ("x", "1", nil),
    ] as [(String, String, Double?)])
  func versionOne(_ quota: String, _ period: String, _ expected: Double?) {
    #expect(ProcessorLimit.quota(microseconds: quota, period: period) == expected)
  }

  @Test(
    arguments: [(8, nil, 8), (8, 1.5, 2), (8, 0.2, 1), (2, 5, 2), (0, nil, 1), (4, 4, 4)]
      as [(Int, Double?, Int)])
  func wholeProcessors(_ mask: Int, _ quota: Double?, _ expected: Int) {
    #expect(ProcessorLimit.processors(mask: mask, quota: quota) == expected)
  }

  private func quota(_ groups: String, _ files: [String: String]) -> Double? {
    ProcessorLimit.quota(groups: groups) { files[$0] }
  }

  @Test func theTightestGroupCounts() {
    let files = [
      "/sys/fs/cgroup/a/cpu.max": "200000 100000", "/sys/fs/cgroup/a/b/cpu.max": "max 100000",
      "/sys/fs/cgroup/cpu.max": "400000 100000",
    ]
    #expect(quota("0::/a/b\n", files) == 2)
    #expect(quota("0::/\n", files) == 4)
    #expect(quota("", files) == nil)
    #expect(quota("nonsense\n0::\n", files) == 4)
  }

  @Test func versionOneAndMixed() {
    let files = [
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "150000\n",
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    ]
    #expect(quota("12:memory:/job\n4:cpu,cpuacct:/job\n0::/x\n", files) == 1.5)
    #expect(quota("4:cpuset:/job\n", files) == nil)
  }

  @Test func hereThereIsOneAtLeast() {
    #expect(ProcessorLimit.current >= 1)
    #expect(ProcessorLimit.current <= ProcessInfo.processInfo.processorCount)
  }
}
