import Foundation

/// How a picture's file is named: `BATCH/JOB-INDEX.png` below the output folder. Where that is another job's already
/// (of another queue, or of this job before it was retried), `BATCH/JOB-INDEX-2.png` and so on.
struct PictureName: Equatable {
  let batch: Int64
  let job: Int64
  /// As in `ImageRecord.index`.
  let index: Int
  /// 1 for the plain name.
  var copy = 1

  init(batch: Int64, job: Int64, index: Int) {
    self.batch = batch
    self.job = job
    self.index = index
  }

  /// The path below an output folder.
  func path(below output: String) -> String {
    "\(output)/\(batch)/\(job)-\(index)\(copy > 1 ? "-\(copy)" : "").png"
  }

  /// Whether a path, which may be anything, is one of those that this picture may have.
  func mayBe(_ path: String, below output: String) -> Bool {
    let start = "\(output)/\(batch)/\(job)-\(index)"
    guard path.hasPrefix(start), path.hasSuffix(".png"), path.utf8.count > start.utf8.count + 3 else {
      return false
    }
    var name = self
    let rest = path.dropFirst(start.count).dropLast(4)
    if !rest.isEmpty {
      guard rest.hasPrefix("-"), let copy = Int(rest.dropFirst()), copy > 1 else { return false }
      name.copy = copy
    }
    return name.path(below: output) == path
  }
}
