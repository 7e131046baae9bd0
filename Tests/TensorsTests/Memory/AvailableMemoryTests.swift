import Foundation
import Tensors
import Testing

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

  /// What others in a group take counts, and files in the page cache do not: they go when they have to.
  @Test func whatOthersTakeCounts() {
    let files = [
      "/proc/meminfo": Self.meminfo,
      "/sys/fs/cgroup/a/memory.max": "1000000000\n", "/sys/fs/cgroup/a/memory.current": "700000000\n",
      "/sys/fs/cgroup/a/memory.stat":
        "anon 300000000\nfile 400000000\ninactive_file 100000000\nactive_file 200000000\nslab_reclaimable 1000000\n",
    ]
    #expect(available("0::/a/b\n", files) == 601_000_000)
    // A group that is over its limit has nothing left.
    #expect(available("0::/a\n", files.merging(["/sys/fs/cgroup/a/memory.stat": ""]) { $1 }) == 300_000_000)
    #expect(
      available("0::/a\n", files.merging(["/sys/fs/cgroup/a/memory.current": "2000000000"]) { $1 }) == 0)
  }

  /// Above `memory.high` a group is slowed down to a crawl: a limit as well.
  @Test func theHighMarkIsALimit() {
    let files = [
      "/proc/meminfo": Self.meminfo, "/sys/fs/cgroup/a/memory.max": "1500000000",
      "/sys/fs/cgroup/a/memory.high": "800000000", "/sys/fs/cgroup/a/memory.current": "100000000",
    ]
    #expect(available("0::/a\n", files) == 700_000_000)
    #expect(
      available("0::/a\n", files.merging(["/sys/fs/cgroup/a/memory.high": "max"]) { $1 }) == 1_400_000_000)
  }

  @Test func versionOneCounts() {
    let root = "/sys/fs/cgroup/memory"
    let files = [
      "/proc/meminfo": Self.meminfo, "\(root)/memory.limit_in_bytes": "9223372036854771712\n",
      "\(root)/job/memory.limit_in_bytes": "1000000000\n", "\(root)/job/memory.usage_in_bytes": "600000000\n",
      "\(root)/job/memory.stat":
        "inactive_file 7\ntotal_inactive_file 50000000\ntotal_active_file 50000000\n",
      "\(root)/job/inner/memory.limit_in_bytes": "900000000\n",
      "\(root)/job/inner/memory.usage_in_bytes": "100000000\n",
    ]
    #expect(available("4:memory:/job/inner\n0::/\n", files) == 500_000_000)
    #expect(available("4:cpu,memory:/\n", files) == 2_000_000 * 1024)
  }

  /// A service that may not see `/proc/meminfo` asks the memory nodes.
  @Test func nodesStandIn() {
    let node = """
      Node 0 MemTotal:       8000000 kB
      Node 0 MemFree:        1000000 kB
      Node 0 Active(file):    200000 kB
      Node 0 Inactive(file):  300000 kB
      """
    let nodes = "/sys/devices/system/node"
    let files = [
      "\(nodes)/node0/meminfo": node,
      "\(nodes)/node2/meminfo": node.replacingOccurrences(of: "Node 0", with: "Node 2"),
    ]
    #expect(available("", files) == 3_000_000 * 1024)
    #expect(
      available("0::/s\n", files.merging(["/sys/fs/cgroup/s/memory.max": "5000000"]) { $1 }) == 3_951_424)
  }

  @Test func theProcessHasLimitsOfItsOwn() {
    let limits = """
      Limit                     Soft Limit           Hard Limit           Units
      Max data size             unlimited            unlimited            bytes
      Max address space         2000000000           unlimited            bytes
      """
    let files = [
      "/proc/meminfo": Self.meminfo, "/proc/self/limits": limits,
      "/proc/self/status": "VmSize:   1000 kB\nVmData:   500 kB\n",
    ]
    #expect(available("", files) == 2_000_000_000 - 1_024_000 - (256 << 20))
    #expect(
      available("", files.merging(["/proc/self/limits": "Max address space unlimited"]) { $1 })
        == 2_000_000 * 1024)
  }

  /// What the machine and its limits are does not change with what is taken of them.
  @Test(arguments: [0, 5_000_000]) func whatIsTakenChangesNoTotal(taken: Int) {
    let limits = "Max data size unlimited unlimited bytes\nMax address space 2000000000 unlimited bytes\n"
    let node = "Node 0 MemTotal: 8000 kB\nNode 0 MemFree: \(8000 - taken / 1024) kB\n"
    let group = "/sys/fs/cgroup/a/b"
    let files = [
      "/proc/meminfo": "MemTotal: 16000000 kB\nMemAvailable: \(9_000_000 - taken / 1024) kB\n",
      "/proc/self/status": "VmSize: \(taken / 1024) kB\nVmData: 0 kB\n",
      "\(group)/memory.current": "\(taken)\n",
      "/sys/devices/system/node/node0/meminfo": node,
      "/sys/devices/system/node/node2/meminfo": node.replacingOccurrences(of: "Node 0", with: "Node 2"),
    ]
    func total(_ more: [String: String], without hidden: String? = nil) -> Int? {
      let all = files.filter { $0.key != hidden }.merging(more) { $1 }
      return AvailableMemory.total(groups: "0::/a/b\n", system: 1) { all[$0] }
    }
    #expect(total([:]) == 16_000_000 * 1024)
    #expect(total(["\(group)/memory.max": "7000000\n", "\(group)/memory.high": "6000000\n"]) == 6_000_000)
    #expect(total(["/sys/fs/cgroup/a/memory.max": "5000000", "\(group)/memory.max": "max"]) == 5_000_000)
    #expect(total(["/proc/self/limits": limits]) == 2_000_000_000 - (256 << 20))
    #expect(total(["/proc/self/limits": "Max address space 5 5 bytes"]) == 0)
    #expect(total([:], without: "/proc/meminfo") == 2 * 8000 * 1024)
    #expect(AvailableMemory.total(groups: "", system: 7) { _ in nil } == 7)
    #expect(AvailableMemory.total(groups: "", system: nil) { _ in nil } == nil)
    #expect((AvailableMemory.total ?? 0) >= (AvailableMemory.bytes ?? .max))
  }

  /// Where no file says anything, the system call's number counts; the groups' limits all the same.
  @Test func theSystemCallStandsIn() {
    func available(_ files: [String: String]) -> Int? {
      AvailableMemory.bytes(groups: "0::/s\n", resident: 0, system: 7_000_000) { files[$0] }
    }
    #expect(available([:]) == 7_000_000)
    #expect(available(["/proc/meminfo": Self.meminfo]) == 2_000_000 * 1024)
    #expect(available(["/sys/fs/cgroup/s/memory.max": "6000000"]) == 6_000_000)
    #expect((AvailableMemory.bytes ?? 0) > 0)
  }

  /// A file of the kernel's that says nonsense takes nothing away and gives nothing.
  @Test func nonsenseIsNoLimit() {
    for nonsense in ["", "-5", "many", "99999999999999999999999"] {
      #expect(
        available("0::/s\n", ["/proc/meminfo": Self.meminfo, "/sys/fs/cgroup/s/memory.max": nonsense])
          == 2_000_000 * 1024)
    }
    let files = [
      "/proc/meminfo": Self.meminfo, "/sys/fs/cgroup/s/memory.max": "1000000",
      "/sys/fs/cgroup/s/memory.current": "400000",
      "/sys/fs/cgroup/s/memory.stat": "active_file 9000000000\nx\n",
    ]
    #expect(available("0::/s\n", files) == 1_000_000)
  }

  @Test func nothingIsMadeUp() {
    #expect(available("0::/\n", [:]) == nil)
    #expect(available("", ["/proc/meminfo": "MemTotal: 5 kB\nMemAvailable: much\n"]) == nil)
    #expect(available("1:cpu:/a\n", ["/sys/fs/cgroup/a/memory.max": "5"]) == nil)
  }
}
