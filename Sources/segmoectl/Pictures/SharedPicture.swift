import Boundary
import CommandLine
import Foundation
import JobStore
import Requests
import SharedFiles

/// A finished picture of a queue that many machines use: on this one, or in the place that they share.
struct SharedPicture {
  private let image: ImageRecord

  init(_ image: ImageRecord) { self.image = image }

  /// Where it lies here. Another machine's path may be something else's on this one, so that the digest decides.
  /// - Throws: `SharedError`, `Problem` for a row that cannot be right.
  func path(from place: SharedPlace) throws -> String {
    if isHere { return image.path }
    let last = URL(fileURLWithPath: image.path).lastPathComponent
    let name = SharedName(.file, digest: image.digest, path: last.hasSuffix(".png") ? last : "picture.png")
    guard let name = name ?? SharedName(.file, digest: image.digest, path: "picture.png") else {
      throw Problem.badInput("the row of picture \(image.index) has no digest: \(image.digest)")
    }
    return try place.local(name, most: Int(max(0, image.bytes)))
  }

  private var isHere: Bool {
    guard let bytes = try? FileBytes.read(image.path, limit: Int(max(0, image.bytes))) else { return false }
    return Digest.hexadecimal(of: bytes) == image.digest
  }
}
