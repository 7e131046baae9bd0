import Synchronization

/// What the last prompts were projected to. Pictures of one job, and jobs that differ in the seed, say the same
/// to the model: it is computed once.
package final class TextMemory: Sendable {
  private struct Remembered: Sendable {
    let key: String
    let context: TextContext
  }

  private let last = Mutex<Remembered?>(nil)

  package init() {}

  /// What was kept under just that key. Anything else is forgotten, so that its memory is free for what comes.
  func context(for key: String) -> TextContext? {
    last.withLock { last in
      if last?.key != key { last = nil }
      return last?.context
    }
  }

  func keep(_ context: TextContext, for key: String) {
    last.withLock { $0 = Remembered(key: key, context: context) }
  }
}
