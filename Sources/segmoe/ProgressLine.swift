import CommandLine
import Foundation
import Hub
import Synchronization

/// A line with the progress of a pull. On a terminal it is overwritten; elsewhere it is repeated every ten seconds.
final class ProgressLine: Sendable {
  private let isQuiet: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let state = Mutex((last: Date(), isOpen: false))

  init(isQuiet: Bool) { self.isQuiet = isQuiet }

  /// Seconds between two lines if there is no terminal.
  private static let interval = 10.0

  func show(_ progress: PullProgress) {
    guard !isQuiet else { return }
    state.withLock { state in
      let now = Date()
      guard isTerminal || now.timeIntervalSince(state.last) >= Self.interval else { return }
      state.last = now
      let text = "\(progress.source): \(progress.text)"
      put(isTerminal ? "\r\u{1B}[K\(text)" : text + "\n")
      state.isOpen = isTerminal
    }
  }

  func say(_ text: String) {
    end()
    complain(text)
  }

  /// Writes a line that stays.
  func write(_ text: String) {
    end()
    put(text + "\n")
  }

  /// Ends a line that would be overwritten.
  func end() {
    state.withLock { state in
      if state.isOpen { put("\r\u{1B}[K") }
      state.isOpen = false
    }
  }

  private func put(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
