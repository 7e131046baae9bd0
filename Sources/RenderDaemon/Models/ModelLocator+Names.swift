import Boundary

extension ModelLocator {
  /// More names than a line shows.
  private static let mostShown = 20
  /// More entries of a folder than are looked at.
  private static let mostEntries = 2000

  /// The models in its folders, as jobs would name them, in one line: folders with a `model_index.json`, and single
  /// files. nil: a job may name any path.
  package var names: String? {
    guard !confinement.folders.isEmpty else { return nil }
    var names: Set<String> = []
    for folder in confinement.folders {
      for name in entries(folder) where !name.hasPrefix(".") {
        if name.hasSuffix(".safetensors") || name.hasSuffix(".gguf")
          || confinement.has("\(folder)/\(name)/model_index.json")
        {
          names.insert(name)
        }
      }
    }
    guard !names.isEmpty else { return "none" }
    let more = names.count > Self.mostShown ? " and \(names.count - Self.mostShown) more" : ""
    return names.sorted().prefix(Self.mostShown).joined(separator: ", ") + more
  }

  private func entries(_ folder: String) -> [String] {
    do throws(OpenFailure) {
      return try confinement.names(in: folder, limit: Self.mostEntries)
    } catch {
      return []
    }
  }
}

/// What a worker says of itself, said anew when it changes. The folders are looked through every ten seconds at most.
struct Introduction {
  private var said: String?
  private var looked = -Double.infinity

  /// - Parameter text: what it would say now.
  /// - Returns: what it has not said yet. What was said at the start is not news.
  mutating func news(_ text: @autoclosure () -> String, now: Double = CheckpointPace.now) -> String? {
    guard now - looked >= 10 else { return nil }
    looked = now
    let text = text()
    defer { said = text }
    return said == nil || said == text ? nil : text
  }
}
