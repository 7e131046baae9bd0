import Synchronization

/// The prompts of a render, ready for its steps.
struct PreparedText: Sendable {
  /// The unconditional row and the conditional one; only the latter without guidance.
  let rows: TextContext
  /// The conditional row by itself, for steps without guidance; nil if all steps are alike.
  let alone: TextContext?
}

/// The text context of the last prompts. Pictures of one job, and jobs that differ in the seed only, share it, so it
/// is computed once.
package final class TextMemory: Sendable {
  private struct Remembered: Sendable {
    let key: String
    let text: PreparedText
  }

  private let last = Mutex<Remembered?>(nil)

  package init() {}

  /// The context with this key. A context with another key is dropped, so that its memory is free.
  func text(for key: String) -> PreparedText? {
    last.withLock { last in
      if last?.key != key { last = nil }
      return last?.text
    }
  }

  func keep(_ text: PreparedText, for key: String) {
    last.withLock { $0 = Remembered(key: key, text: text) }
  }
}
