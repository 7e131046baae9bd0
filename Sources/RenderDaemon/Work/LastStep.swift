import Diffusion
import Synchronization

/// The state after the last whole step of each picture at work, held while the next step runs: a stop that
/// cannot wait for a long step keeps these as checkpoints.
final class LastStep: Sendable {
  /// All that a checkpoint is made of.
  struct Held: Sendable {
    let denoising: Denoising
    let request: PictureRequest
    let renderer: Renderer
  }

  /// A picture of a job.
  struct Picture: Hashable, Sendable {
    let job: Int64
    let index: Int
  }

  private let held = Mutex<[Picture: Held]>([:])

  /// Holds a state in place of what was held before; a copy of a value, which costs nothing.
  func hold(_ state: Held, of picture: Picture) { held.withLock { $0[picture] = state } }

  /// Forgets a picture's; waits for a `take` that is at it. From then on the file goes before the steps.
  func clear(_ picture: Picture) { held.withLock { $0[picture] = nil } }

  /// Hands a job's states over, once. While `body` runs `clear` waits: a checkpoint must not overwrite the row
  /// that announces a finished file.
  func take(job: Int64, _ body: (Picture, Held) throws -> Void) rethrows {
    try held.withLock { held in
      for (picture, state) in held where picture.job == job {
        held[picture] = nil
        try body(picture, state)
      }
    }
  }
}
