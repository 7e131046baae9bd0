import Testing

@testable import Tensors

/// The least of what machine and control groups have left.
@Suite struct AvailableMemoryTests {
  private static let meminfo = "MemTotal:  16000000 kB\nMemFree:  100 kB\nMemAvailable:   2000000 kB\n"

  private func available(_ groups: String, resident: Int = 1 << 20, _ files: [String: String]) -> Int? {
    AvailableMemory.bytes(groups: groups, resident: resident) { files[$0] }
  }

  @Test func theMachineLeavesWhatIsAvailable() {
    #expect(available("", ["/proc/meminfo": Self.meminfo]) == 2_000_000 * 1024)
    #expect(
      available(
        "0::/system.slice/segmoed.service\n",
        ["/proc/meminfo": Self.meminfo, "/sys/fs/cgroup/system.slice/memory.max": "max\n"])
        == 2_000_000 * 1024)
  }

  @Test func groupsAboveCountToo() {
    let files = [
      "/proc/meminfo": Self.meminfo,
      "/sys/fs/cgroup/system.slice/memory.max": "900000000\n",
      "/sys/fs/cgroup/system.slice/segmoed.service/memory.max": "1000000000\n",
    ]
    let group = "0::/system.slice/segmoed.service\n"
    #expect(available(group, resident: 100_000_000, files) == 800_000_000)
    #expect(available(group, resident: 950_000_000, files) == 0)
  }

  @Test func nothingIsMadeUp() {
    #expect(available("0::/\n", [:]) == nil)
    #expect(available("", ["/proc/meminfo": "MemTotal: 5 kB\nMemAvailable: much\n"]) == nil)
    #expect(available("1:cpu:/a\n", ["/sys/fs/cgroup/a/memory.max": "5"]) == nil)
  }
}
