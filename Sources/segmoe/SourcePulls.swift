import Foundation
import Hub
import Requests
import Synchronization

/// Pulls what commands are given in the place of paths, with progress on standard error.
struct SourcePulls {
  private let line: ProgressLine

  init(quiet: Bool = false) { line = ProgressLine(isQuiet: quiet) }

  /// Pulls one source; a path that is there is taken as it is.
  /// - Throws: `SourceError`, `HubError`
  func pull(_ text: String, for use: ModelUse, isDry: Bool = false) throws -> PulledModel {
    let source = try ModelSource(text) { access($0, F_OK) == 0 }
    let line = line
    var settings = try HubSettings()
    if let token = CivitaiLink.token(in: text).flatMap({ Token($0, from: "the link") }) {
      settings.civitaiToken = token
    }
    let puller = ModelPuller(
      settings: settings, transport: CurlTransport(trust: settings.trust),
      say: { line.say($0) }, tell: { line.show($0) })
    defer { line.end() }
    return try puller.pull(source, for: use, isDry: isDry)
  }

  /// The path for a source; a path is given back unlooked at, so that whoever opens it says what is wrong with it.
  /// - Throws: `SourceError`, `HubError`
  func path(_ text: String, for use: ModelUse) throws -> String {
    guard case .path = try ModelSource(text, exists: { access($0, F_OK) == 0 }) else {
      return try pull(text, for: use).path
    }
    return text
  }
}

/// A line about a pull that is written over on a terminal, and repeated now and then elsewhere.
final class ProgressLine: Sendable {
  private let isQuiet: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let state = Mutex((last: Date(), isOpen: false))

  init(isQuiet: Bool) { self.isQuiet = isQuiet }

  /// Seconds between two lines where there is no terminal.
  private static let interval = 10.0

  func show(_ progress: PullProgress) {
    guard !isQuiet else { return }
    state.withLock { state in
      let now = Date()
      guard isTerminal || now.timeIntervalSince(state.last) >= Self.interval else { return }
      state.last = now
      let text = "\(progress.source): \(progress.text)"
      write(isTerminal ? "\r\u{1B}[K\(text)" : text + "\n")
      state.isOpen = isTerminal
    }
  }

  func say(_ text: String) {
    end()
    complain(text)
  }

  /// Ends a line that would be written over.
  func end() {
    state.withLock { state in
      if state.isOpen { write("\r\u{1B}[K") }
      state.isOpen = false
    }
  }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
