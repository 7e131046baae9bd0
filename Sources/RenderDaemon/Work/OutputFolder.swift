import Boundary
import Checkpoints
import Foundation
import JobStore
import Logging

/// The folder for pictures, and what becomes of files that dead daemons and failed jobs left in it.
struct OutputFolder {
  let path: String
  let session: any JobWorker
  let log: Logger

  /// Finished pictures of jobs that failed or were cancelled stay, as images of their jobs. Those that nobody wants are
  /// removed.
  func settleLeftovers() {
    do {
      var removed = 0
      try session.settleLeftovers(below: path) { leftover in
        let name =
          leftover.isPatterned
          ? PictureName(stem: nil, job: leftover.job, index: leftover.index)
          : PictureName(batch: leftover.batch, job: leftover.job, index: leftover.index)
        guard isOwn(leftover.path, bytes: leftover.bytes, digest: leftover.digest, name) else {
          return .forget
        }
        guard leftover.isUnwanted else { return .keep }
        guard unlink(leftover.path) == 0 || errno == ENOENT else { return .wait }
        removed += 1
        return .forget
      }
      if removed > 0 { log.info("removed \(removed) picture(s) of jobs that were cancelled with --discard") }
    } catch {
      log.warning("cannot look for pictures of failed and cancelled jobs: \(error)")
    }
  }

  /// Whether a picture's file is its job's. A row may name any file: it counts only if this daemon could have named it so,
  /// if it is exactly what the row says, and, where others may be named alike, if it says so itself.
  func isOwn(_ file: String, bytes: Int64, digest: String, _ name: PictureName) -> Bool {
    name.mayBe(file, below: path) && isInside(file) && holds(file, bytes: bytes, digest: digest)
      && (!name.isPatterned || name.isSaid(in: file))
  }

  /// Whether a picture's file is just what its row says; false if there is none, or one that can't be read.
  private func holds(_ file: String, bytes: Int64, digest wanted: String) -> Bool {
    Confinement.$models.withValue(Confinement(folders: [path])) {
      var digest = Digest()
      guard let reader = try? FileReader(path: file, purpose: "a picture"), reader.size == bytes,
        (try? digest.add(contentsOf: reader)) != nil
      else { return false }
      return digest.hexadecimal() == wanted
    }
  }

  /// Removes files `.JOB-INDEX.png.tmp-…` that a killed daemon left. The files of running jobs stay, because another
  /// daemon may be writing them.
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

  /// Removes the temporary files of a job that was lost and is now this daemon's. The worker that lost it may still
  /// be writing one; its file does not count any more.
  func removeTemporaries(of job: JobRecord) {
    // Those of patterned names are in the output folder itself.
    let folder = job.namePattern == nil ? "\(path)/\(job.batch)" : path
    for found in temporaries(in: folder) where found.job == job.id { unlink(found.path) }
  }

  private func temporaries() -> [(job: Int64, path: String)] {
    let batches = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return temporaries(in: path)
      + batches.filter { Int64($0) != nil }.flatMap { temporaries(in: path + "/" + $0) }
  }

  private func temporaries(in folder: String) -> [(job: Int64, path: String)] {
    guard isInside(folder + "/x") else { return [] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in Self.job(ofTemporary: name).map { ($0, folder + "/" + name) } }
  }

  /// The job in the name of a temporary file: 17 for `.17-0.png.tmp-1f`; nil for any other file.
  static func job(ofTemporary name: String) -> Int64? {
    guard let match = name.wholeMatch(of: /\.([0-9]+)-[0-9]+(-[0-9]+)?\.png\.tmp-[0-9a-f]+/) else {
      return nil
    }
    return Int64(match.1)
  }

  /// Whether the real path of a file's folder is the output folder, or below it.
  private func isInside(_ file: String) -> Bool {
    let folder = ModelLocator.resolved(URL(fileURLWithPath: file).deletingLastPathComponent().path)
    let root = ModelLocator.resolved(path)
    return folder == root || folder.hasPrefix(root == "/" ? root : root + "/")
  }
}
