import Boundary
import Checkpoints
import Foundation
import Images
import JobStore
import Requests
import Testing

/// The pictures of jobs that nobody disturbed, to compare with. Their texts differ, because they name the job; their
/// pixels do not.
struct PictureReference {
  /// What a round's jobs may ask for beside the number of pictures.
  struct Kind: Hashable {
    let scheduler: SchedulerName
    let steps: Int
  }

  static let kinds = [SchedulerName.ddpm, .ddim, .euler].flatMap { scheduler in
    [2, 7, 16, 25].map { Kind(scheduler: scheduler, steps: $0) }
  }

  /// The most pictures of a job.
  static let most = 3

  private struct Picture: Hashable {
    let kind: Kind
    let seed: UInt64
  }

  private let digests: [Picture: String]

  /// Renders one job of every kind.
  init() throws {
    let house = try DaemonHouse()
    let jobs = try Self.kinds.map { kind in
      try house.enqueue {
        $0.scheduler = kind.scheduler
        $0.steps = kind.steps
        $0.count = Self.most
      }
    }
    try house.worker().run()
    var digests: [Picture: String] = [:]
    for (job, kind) in zip(jobs, Self.kinds) {
      let images = try house.client.details(job: job).images
      try #require(images.count == Self.most)
      for image in images { digests[Picture(kind: kind, seed: image.seed)] = try Self.digest(of: image.path) }
    }
    self.digests = digests
  }

  /// Whether a picture is the one that its job asks for. Pictures of other requests are not known.
  func isRight(_ image: ImageRecord, of request: RenderRequest) throws -> Bool {
    let kind = Kind(scheduler: request.scheduler ?? .ddim, steps: request.steps)
    guard request.prompt == "a red fox", let wanted = digests[Picture(kind: kind, seed: image.seed)] else {
      return true
    }
    return try Self.digest(of: image.path) == wanted
  }

  private static func digest(of path: String) throws -> String {
    let image = try PNGFile.readPixels(path)
    var digest = Digest()
    digest.add(image.pixels)
    return digest.hexadecimal()
  }
}
