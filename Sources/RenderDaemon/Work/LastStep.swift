import Diffusion
import Synchronization

/// The state after the last complete step of each picture at work, kept while the next step runs. A stop that cannot
/// wait for a long step saves these states as checkpoints.
final class LastStep: Sendable {
  /// Everything that a checkpoint is made of.
  struct Held: Sendable {
    let denoising: Denoising
    let request: PictureRequest
    let renderer: Renderer

    init(denoising: Denoising, request: PictureRequest, renderer: Renderer) {
      self.denoising = denoising.resting
      self.request = request
      self.renderer = renderer
    }
  }

  /// A picture of a job.
  struct Picture: Hashable, Comparable, Sendable {
    let job: Int64
    let index: Int

    static func < (one: Self, other: Self) -> Bool { (one.job, one.index) < (other.job, other.index) }
  }

  private let held = Mutex<[Picture: Held]>([:])

  /// Replaces the state of a picture. It is a copy of a value, which costs nothing.
  func hold(_ state: Held, of picture: Picture) { held.withLock { $0[picture] = state } }

  /// Forgets the state of a picture, after waiting for a `take` in progress. It is called before the picture's file
  /// is announced.
  func clear(_ picture: Picture) { held.withLock { $0[picture] = nil } }

  /// Calls `body` with each state of a job, and forgets them. Meanwhile `clear` waits, because a checkpoint must not
  /// overwrite the row that announces a finished file.
  func take(job: Int64, _ body: (Picture, Held) throws -> Void) rethrows {
    try held.withLock { held in
      for (picture, state) in held where picture.job == job {
        held[picture] = nil
        try body(picture, state)
      }
    }
  }
}
