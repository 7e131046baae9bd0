import ArgumentParser
import Boundary
import CommandLine
import Foundation
import Images
import JobStore
import Requests

/// `segmoectl rerun`
struct Rerun: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Render a job or a picture again, and say whether it came out the same.",
    discussion: """
      The pictures that are there stay; the new ones come in a batch of their own. Pixels are compared, since the text of \
      a picture names its job. The exit code is 70 if a picture differs.
      """)

  @OptionGroup var location: Location

  @Argument(help: "The job's number, or a PNG file that segmoe made.")
  var original: String

  @OptionGroup var format: Format

  func run() throws {
    let store = try location.open(for: .changing)
    let earlier = try EarlierRequest(original, in: store)
    try earlier.check([])
    let request = JobRequest(earlier.draft.complete)
    try store.knownModels().check(request.render.model)
    let batch = try store.enqueue(BatchRequest(), requests: [request])
    let job = batch.jobs.lowerBound
    if !format.json {
      print("batch \(batch.batch): job \(job) queued")
      fflush(nil)
    }
    try WatchLoop(store: store, scope: .batch(batch.batch), style: .silent).run()
    let details = try store.details(job: job)
    guard details.job.state == .done else {
      throw Problem.failed(
        "job \(job) is \(details.job.state.rawValue): \(details.job.failure?.message ?? "no reason is known")"
      )
    }
    let found = try details.images.map { image in
      (image: image, isSame: try Self.isSame(earlier.pictures[image.index], image.path))
    }
    if format.json {
      let images = found.map { image, isSame in
        JSONText.object([
          ("index", .integer(image.index)), ("path", .string(image.path)),
          ("original", .optional(earlier.pictures[image.index])),
          ("same", isSame.map(JSONText.bool) ?? .null),
        ])
      }
      print(
        JSONText.object([
          ("batch", .integer(batch.batch)), ("job", .integer(job)), ("images", .array(images)),
        ]).text)
    } else {
      for (image, isSame) in found {
        let words =
          switch isSame {
          case true?: "is the same, pixel for pixel"
          case false?: "differs from \(earlier.pictures[image.index] ?? "the original")"
          case nil: "cannot be compared: its original is gone"
          }
        print(PlainText.line("\(image.path) \(words)"))
      }
    }
    if found.contains(where: { $0.isSame == false }) { throw ExitCode(ProgramExit.failed.rawValue) }
  }

  /// nil if there is no original.
  private static func isSame(_ original: String?, _ path: String) throws -> Bool? {
    guard let original, access(original, R_OK) == 0 else { return nil }
    return try PNGFile.readPixels(original) == PNGFile.readPixels(path)
  }
}
