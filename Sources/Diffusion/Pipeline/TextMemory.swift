import Synchronization

/// The text context of the last prompts. Pictures of one job, and jobs that differ in the seed only, share it, so it
/// is computed once.
package final class TextMemory: Sendable {
  private struct Remembered: Sendable {
    let key: String
    let context: TextContext
  }

  private let last = Mutex<Remembered?>(nil)

  package init() {}

  /// The context with this key. A context with another key is dropped, so that its memory is free.
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
