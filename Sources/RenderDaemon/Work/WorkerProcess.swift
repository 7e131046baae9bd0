import Foundation
import JobStore

/// The process behind a worker's row.
package enum WorkerProcess {
  /// Whether the process that a row of this host names still runs and is the one that wrote the row.
  ///
  /// A process number alone proves nothing, because after a reboot it soon belongs to another program. A process that
  /// began after the worker's last heartbeat is not the worker.
  package static func isAlive(_ worker: WorkerRecord, now: Milliseconds = Date().milliseconds) -> Bool {
    guard let pid = pid_t(exactly: worker.pid), kill(pid, 0) == 0 || errno == EPERM else { return false }
    // Another user's process may be hidden. Then only its heartbeat counts.
    guard let age = age(of: pid) else { return true }
    // Ages are in hundredths of a second.
    return now - Milliseconds(age * 1000) - 1000 <= worker.heartbeatAt
  }

  /// Seconds since a process began; nil if it does not exist or is hidden.
  private static func age(of pid: pid_t) -> Double? {
    guard let line = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let end = line.lastIndex(of: ")")
    else { return nil }
    // proc(5): after the name in parentheses, `starttime` is the 20th field, in ticks since the boot.
    let fields = line[line.index(after: end)...].split(separator: " ")
    guard fields.count > 19, let ticks = Double(fields[19]) else { return nil }
    var uptime = timespec()
    clock_gettime(CLOCK_BOOTTIME, &uptime)
    let perSecond = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    return Double(uptime.tv_sec) + Double(uptime.tv_nsec) / 1e9 - ticks / perSecond
  }
}
