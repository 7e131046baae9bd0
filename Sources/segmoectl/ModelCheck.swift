import Boundary
import CommandLine
import Foundation
import JobStore
import Requests

extension KnownModels {
  /// Whether some daemon could have a model of that name, as far as the queue knows.
  /// - Throws: `Problem.missing`, with the nearest name that there is.
  func check(_ model: String) throws {
    guard isComplete else { return }
    if let found = self[model] {
      guard let fault = found.fault else { return }
      throw Problem.badInput("model '\(model)' cannot be used: \(fault)")
    }
    // What is here by its path, or comes from a hub, need not be in a daemon's folder yet.
    guard !model.hasPrefix("/"), ModelSource.remote(model) == nil, SharedName(model) == nil,
      SharedAlias(model) == nil
    else { return }
    throw Problem.missing("no segmoed has a model '\(model)': \(advice(for: model))")
  }

  private func advice(for model: String) -> String {
    let names = usable.map(\.name)
    guard !names.isEmpty else { return "there is none in its folders (`segmoectl models`)" }
    if let near = Nearest.nearest(model, among: names) { return "did you mean '\(near)'?" }
    // Without its folder or its ending, a name is far from the whole.
    let word = model.lowercased()
    if let longer = names.first(where: { Self.stem($0) == Self.stem(word) }) {
      return "did you mean '\(longer)'?"
    }
    return "`segmoectl models` lists those that there are"
  }

  private static func stem(_ name: String) -> String {
    let last = name.lowercased().split(separator: "/").last.map(String.init) ?? ""
    let ending = [".safetensors", ".gguf"].first(where: last.hasSuffix) ?? ""
    return String(last.dropLast(ending.count))
  }
}
