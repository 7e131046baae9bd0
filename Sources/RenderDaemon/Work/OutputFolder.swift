import Foundation
import JobStore
import Logging

/// The folder for pictures, and keeping it clean of what dead daemons and dead jobs left.
struct OutputFolder {
  let path: String
  let session: WorkerSession
  let log: Logger

  /// Removes the files of jobs that failed or were cancelled: their rows know them.
  func removeLeftovers() {
    do {
      let removed = try session.removeLeftovers(below: path) { leftover in
        // A row may say what it likes: only what this daemon could have written itself is removed.
        let own = "\(path)/\(leftover.batch)/\(leftover.job)-\(leftover.index).png"
        guard leftover.path == own, isInside(own) else { return false }
        return unlink(own) == 0 || errno == ENOENT
      }
      if removed > 0 { log.info("removed \(removed) file(s) of jobs that failed or were cancelled") }
    } catch {
      log.warning("cannot look for files of failed jobs: \(error)")
    }
  }

  /// Removes `.JOB-INDEX.png.tmp-…` that a killed daemon left, unless the job runs: then it may be
  /// another daemon's, at work.
  func removeTemporaries() {
    do {
      let found = temporaries()
      let running = try session.running(among: Set(found.map(\.job)))
      for (job, path) in found where !running.contains(job) && unlink(path) == 0 {
        log.info("removed \(path), left by a daemon that died")
      }
    } catch {
      log.warning("cannot look for temporary files: \(error)")
    }
  }

  /// Removes those of one job that was lost and is ours now. (A worker that is late with it may lose its
  /// file under its hands: it has lost the job anyway.)
  func removeTemporaries(of job: JobRecord) {
    for found in temporaries(batch: "\(job.batch)") where found.job == job.id { unlink(found.path) }
  }

  private func temporaries() -> [(job: Int64, path: String)] {
    let batches = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return batches.filter { Int64($0) != nil }.flatMap(temporaries(batch:))
  }

  private func temporaries(batch: String) -> [(job: Int64, path: String)] {
    let folder = path + "/" + batch
    guard isInside(folder + "/x") else { return [] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in Self.job(ofTemporary: name).map { ($0, folder + "/" + name) } }
  }

  /// 17 for `.17-0.png.tmp-1f`; nil for any other file.
  static func job(ofTemporary name: String) -> Int64? {
    guard let match = name.wholeMatch(of: /\.([0-9]+)-[0-9]+\.png\.tmp-[0-9a-f]+/) else { return nil }
    return Int64(match.1)
  }

  /// Whether the folder of a file is really below the output folder, links followed.
  private func isInside(_ file: String) -> Bool {
    let folder = ModelLocator.resolved(URL(fileURLWithPath: file).deletingLastPathComponent().path)
    return folder.hasPrefix(ModelLocator.resolved(path) + "/")
  }
}
