import ArgumentParser
import Boundary
import CommandLine
import Foundation
import Images
import JobStore
import SharedFiles

/// The finished pictures that somebody names: a job's, or a file.
struct NamedPictures: ParsableArguments {
  @OptionGroup var location: Location

  @Argument(help: "The job's number, or a PNG file.")
  var picture: String

  @Option(parsing: .unconditional, help: "Only this picture of the job; the first is 0.")
  var index: Int?

  @OptionGroup var sharedOption: SharedOption

  @OptionGroup var format: Format

  /// Their absolute paths, at least one. What is not on this machine is fetched from the shared place.
  /// - Throws: `JobStoreError`, `SharedError`; `Problem` if there is no finished one.
  func paths() throws -> [String] {
    guard let job = Int64(picture) else {
      guard index == nil else { throw Problem.usage("--index is for a job: \(picture) is one picture") }
      return [absolutePath(picture)]
    }
    let details = try location.open(for: .reading).details(job: job)
    let state = JobTable.state(details.summary)
    guard let index else {
      guard !details.images.isEmpty else {
        let advice =
          switch details.job.state {
          case .queued, .running: "`segmoectl watch \(job)` waits for it"
          default: "`segmoectl show \(job)` says why"
          }
        throw Problem.badInput("job \(job) is \(state) and has no picture; \(advice)")
      }
      return try here(details.images, of: job)
    }
    guard let image = details.images.first(where: { $0.index == index }) else {
      let count = details.summary.images.count
      throw Problem.badInput(
        (0..<count).contains(index)
          ? "job \(job) is \(state), and its picture \(index) is not finished"
          : "job \(job) has no picture \(index): it has \(TerminalText.count(count, "picture")), from 0 on")
    }
    return try here([image], of: job)
  }

  private func here(_ images: [ImageRecord], of job: Int64) throws -> [String] {
    let pictures = try sharedOption.pictures(of: location.place)
    return try images.map { try pictures.path(of: $0, job: job) }
  }

  /// Prints the paths: a line each, or JSON.
  /// - Throws: `ImageError.unreadable` for a picture that is gone, before anything is printed.
  func list(_ paths: [String]) throws {
    for path in paths where access(path, R_OK) != 0 { throw ImageError.unreadable(path: path, code: errno) }
    if format.json {
      print(JSONText.object([("pictures", .array(paths.map(JSONText.string)))]).text)
    } else {
      for path in paths { print(PlainText.line(path)) }
    }
  }
}
