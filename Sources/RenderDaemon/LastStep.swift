import Diffusion
import Synchronization

/// The state after the last whole step of the picture at work, held while the next step runs: a stop that
/// cannot wait for a long step keeps this one as a checkpoint.
final class LastStep: Sendable {
  /// All that a checkpoint is made of.
  struct Held: Sendable {
    let denoising: Denoising
    let request: RenderRequest
    let renderer: Renderer
    let index: Int
  }

  private let held = Mutex<Held?>(nil)

  /// Holds a state in place of what was held before; a copy of a value, which costs nothing.
  func hold(_ state: Held) { held.withLock { $0 = state } }

  /// Forgets it; waits for a `take` that is at it. From then on the file goes before the steps.
  func clear() { held.withLock { $0 = nil } }

  /// Hands the state over, once. While `body` runs `clear` waits: a checkpoint must not overwrite the row
  /// that announces a finished file.
  func take(_ body: (Held) throws -> Void) rethrows {
    try held.withLock { state in
      guard let value = state else { return }
      state = nil
      try body(value)
    }
  }
}
