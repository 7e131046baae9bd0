import Foundation
import JobStore

/// What `doctor` looks at in the queue itself.
struct QueueChecks {
  let place: QueuePlace

  var findings: [Finding] {
    var findings = [Finding.ok("queue", "\(place.path) (\(place.meaning))")]
    if let refusal = place.refusal { findings.append(.bad("service", refusal)) }
    if place.isFile {
      guard access(place.path, F_OK) == 0 || errno != ENOENT else { return findings + [missing] }
      findings += rights
    }
    do {
      let store = try place.open(for: .reading)
      findings += inside(try store.facts())
      if try store.status().isPaused {
        findings.append(.warn("queue", "it is paused: no job is taken", mend: "`segmoectl resume`"))
      }
    } catch JobStoreError.noQueue where !place.isFile {
      findings.append(notYet)
    } catch {
      findings.append(.bad("database", error))
    }
    return place.isFile ? findings + log : findings
  }

  private var missing: Finding {
    if access(place.path + "-wal", F_OK) == 0 {
      return .bad(
        "queue", "it is gone, and its log \(place.path)-wal is still there",
        mend: "put the database back where it was before anybody starts a new one: the log belongs to it")
    }
    return notYet
  }

  private var notYet: Finding {
    .warn("queue", "it is not there yet", mend: "`segmoectl enqueue` makes it, and so does segmoed")
  }

  private var rights: [Finding] {
    let rights = QueueRights(of: place.path)
    let flaws = rights.flaws.map { Finding.bad("rights", "\($0.path): \($0.fault)", mend: $0.mend) }
    if case .notPermitted(let path, let reason, let mend)? = rights.refusal {
      return flaws + [.bad("rights", "\(path): \(reason)", mend: mend)]
    }
    guard flaws.isEmpty else { return flaws }
    return [.ok("rights", rights.group.map { "you and the group \($0) may use it" } ?? "you may use it")]
  }

  private func inside(_ facts: QueueFacts) -> [Finding] {
    let database = Finding.ok("database", "schema \(facts.schema), \(facts.bytes >> 20) MiB")
    return switch facts.place {
    case .file(let file): [database] + inside(file)
    case .server(let server): [database] + ServerChecks(server: server).findings
    }
  }

  private func inside(_ file: QueueFacts.File) -> [Finding] {
    var findings: [Finding] = []
    if file.journalMode != "wal" {
      findings.append(
        .warn(
          "database", "its journal mode is \(file.journalMode): readers and writers wait for each other",
          mend: "start segmoed: it switches the database to the write-ahead log"))
    }
    switch file.faults {
    case nil: findings.append(.ok("damage", "it is too large to be looked through here (PRAGMA quick_check)"))
    case []?: findings.append(.ok("damage", "none found"))
    case let faults?:
      findings.append(
        .bad(
          "damage", "SQLite finds: \(faults.joined(separator: "; "))",
          mend: "stop all daemons, copy the files, and put a backup back (docs/administration.md)"))
    }
    return findings
  }

  /// A log that is larger has a reader who keeps it from being copied back.
  private static let largeLog: Int64 = 16 << 20

  private var log: [Finding] {
    var status = stat()
    guard stat(place.path + "-wal", &status) == 0 else { return [] }
    let name = URL(fileURLWithPath: place.path).lastPathComponent
    let kept = Finding.ok(
      "log",
      "never delete \(name)-wal and \(name)-shm, nor move \(name) without them: it holds what was committed last "
        + "(\(status.st_size) bytes)")
    guard status.st_size > Self.largeLog else { return [kept] }
    return [
      kept,
      .warn(
        "log", "it has \(status.st_size >> 20) MiB: somebody reads and does not let it be copied back",
        mend: "close that shell or browser (`fuser -v \(place.path)` finds it)"),
    ]
  }
}
