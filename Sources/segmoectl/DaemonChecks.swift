import Foundation
import JobStore

/// What `doctor` looks at in the queue's rows of daemons.
struct DaemonChecks {
  let place: QueuePlace
  /// The command that starts a daemon on it.
  let start: String

  /// - Parameters:
  ///   - place: the queue.
  ///   - hasUnit: whether the service is installed.
  init(place: QueuePlace, hasUnit: Bool) {
    self.place = place
    start =
      hasUnit && place.source == .service
      ? "sudo systemctl enable --now segmoed"
      : "segmoed --database \(place.isFile ? place.path : "ADDRESS")"
  }

  var findings: [Finding] {
    // What keeps the queue from being opened is said with the queue.
    guard let store = try? place.open(for: .reading) else { return [] }
    do {
      let now = try store.now()
      let workers = try store.workers()
      // Jobs in shards wait for other machines.
      let waiting = try store.status().counts.queued - store.jobsInShards(batch: nil)
      var findings = workers.map { self.finding($0, now: now, waiting: waiting) }
      if workers.isEmpty {
        findings.append(
          .warn(
            "daemon", "none has ever worked on this queue\(waiting > 0 ? "; \(Self.wait(waiting))" : "")",
            mend: "start segmoed on it: `\(start)`"))
      }
      let alive = Set(workers.filter { $0.isAlive(now: now) }.map(\.name))
      for lack in try store.lackedModels() where alive.contains(lack.worker) {
        findings.append(
          .warn(
            "model", "\(lack.worker) lacks \(lack.model): \(lack.reason)",
            mend: "put the model into a folder that the daemon's `models` names; it looks by itself"))
      }
      return findings
    } catch {
      return [.bad("daemon", error)]
    }
  }

  private static func wait(_ jobs: Int) -> String {
    TerminalText.count(jobs, "job") + (jobs == 1 ? " waits" : " wait")
  }

  private func finding(_ worker: WorkerRecord, now: Milliseconds, waiting: Int) -> Finding {
    let name = "segmoed \(worker.name) on \(worker.host)"
    let seconds = max(0, now - worker.heartbeatAt) / 1000
    if worker.isAlive(now: now) {
      return .ok("daemon", "\(name) is \(worker.state.rawValue), seen \(seconds) s ago")
    }
    if worker.state == .stopped {
      let text = "\(name) was stopped"
      return waiting == 0
        ? .ok("daemon", text) : .warn("daemon", "\(text); \(Self.wait(waiting))", mend: "start it again")
    }
    return .bad(
      "daemon", "\(name) is gone: its last sign of life is \(TerminalText.duration(Double(seconds))) old",
      mend: "start it again; `journalctl -u segmoed` says why it ended")
  }
}
