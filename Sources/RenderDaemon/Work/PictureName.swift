import Boundary
import Foundation
import Images

/// How a picture's file is named: `BATCH/JOB-INDEX.png` below the output folder, or as its batch's pattern says. Where that
/// is another picture's already (of another queue, of this job before it was retried, of a job that the pattern names
/// alike), `…-2.png` and so on.
struct PictureName: Equatable {
  let job: Int64
  /// As in `ImageRecord.index`.
  let index: Int
  /// The path below the output folder, without the copy's number and the ending; nil: as some pattern says, which is not
  /// known here.
  private let stem: String?
  /// Whether a pattern made it. Then other pictures may be named alike, and the name alone does not say whose one is.
  let isPatterned: Bool
  /// 1 for the plain name.
  var copy = 1

  /// The name by numbers.
  init(batch: Int64, job: Int64, index: Int) {
    (self.job, self.index, isPatterned) = (job, index, false)
    stem = "\(batch)/\(job)-\(index)"
  }

  /// A name by a pattern.
  /// - Parameters:
  ///   - stem: what the pattern says; nil: it is not known.
  ///   - job: the picture's job.
  ///   - index: of the picture in the job.
  init(stem: String?, job: Int64, index: Int) {
    (self.job, self.index, self.stem, isPatterned) = (job, index, stem, true)
  }

  private var name: String { "\(stem ?? "\(job)-\(index)")\(copy > 1 ? "-\(copy)" : "").png" }

  /// The path below an output folder.
  func path(below output: String) -> String { "\(output)/\(name)" }

  /// The folders below the output folder that the file is in, from the outermost on.
  var folders: [Substring] { name.pathNames.filter { !$0.isEmpty }.dropLast() }

  /// What its file is called until it is whole. By a pattern's name nobody could tell whose it is once its daemon has died:
  /// so it is in the output folder, by the numbers of job and picture. nil: beside the file, after its name.
  func temporary(below output: String) -> String? { isPatterned ? "\(output)/\(job)-\(index).png" : nil }

  /// Whether a path, which may be anything, is one of those that this picture may have.
  func mayBe(_ path: String, below output: String) -> Bool {
    guard !isPatterned, let stem else {
      return path.hasPrefix(output + "/") && path.hasSuffix(".png") && !path.pathNames.contains("..")
    }
    let start = "\(output)/\(stem)"
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

  /// Whether a file says that it is this picture, as every picture of a pattern does in its text.
  func isSaid(in file: String) -> Bool {
    guard let text = PNGTextScan.text("segmoe", in: file),
      let origin = try? JSONDecoder().decode(Origin.self, from: Data(text.utf8))
    else { return false }
    return origin == Origin(job: job, index: index)
  }

  /// Of the text in a picture.
  private struct Origin: Decodable, Equatable {
    let job: Int64
    let index: Int
  }
}
