import Boundary
import CommandLine
import Foundation
import JobStore
import Requests
import SharedFiles

/// Where a queue's finished pictures lie on this machine. Those of a queue that many machines use come from the place that
/// they share, if they are not here.
struct SharedPictures {
  /// Whether the queue is of this machine alone, so that each path is right.
  let isLocal: Bool
  /// nil: none is known.
  let place: SharedPlace?

  /// A picture's absolute path. Another machine's path may be something else's on this one, so that the digest decides.
  /// - Throws: `SharedError`; `Problem` that names a picture which can be had nowhere, or whose row cannot be right.
  func path(of image: ImageRecord, job: Int64) throws -> String {
    if isLocal { return image.path }
    let called = "picture \(image.index) of job \(job)"
    if isHere(image) { return image.path }
    guard let place else {
      throw Problem.missing(
        "\(called) is not on this machine (\(image.path)): name the place that its daemon puts pictures into, "
          + "with --shared (docs/shared-place.md)")
    }
    let last = URL(fileURLWithPath: image.path).lastPathComponent
    let name = SharedName(.file, digest: image.digest, path: last.hasSuffix(".png") ? last : "picture.png")
    guard let name = name ?? SharedName(.file, digest: image.digest, path: "picture.png") else {
      throw Problem.badInput("the row of \(called) has no digest: \(image.digest)")
    }
    do {
      return try place.local(name, most: Int(max(0, image.bytes)))
    } catch SharedError.missing {
      throw Problem.missing(
        "\(called) is neither on this machine (\(image.path)) nor in \(place.description) (\(name))")
    }
  }

  private func isHere(_ image: ImageRecord) -> Bool {
    guard let bytes = try? FileBytes.read(image.path, limit: Int(max(0, image.bytes))) else { return false }
    return Digest.hexadecimal(of: bytes) == image.digest
  }
}
