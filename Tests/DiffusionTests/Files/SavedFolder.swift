import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Tensors
import TestSupport

/// A golden model's folder as a version of diffusers and its transformers save it again: their configurations, and
/// their names of tensors (`Goldens/scripts/saved_by_versions.py`). It is removed when the last
/// reference to it goes.
final class SavedFolder {
  private let folder: TemporaryFolder
  private let saved: ConfigObject

  var path: String { folder.path }

  /// What a version saved.
  static func saved(_ version: String) throws -> ConfigObject {
    try ConfigObject(contentsOf: Places.golden("saved/\(version).json"))
  }

  init(_ model: String, version: String) throws {
    saved = try Self.saved(version)
    folder = try TemporaryFolder()
    let parts = try Golden.ModelParts(model)
    defer { withExtendedLifetime(parts) {} }
    let files = FileManager.default
    for component in try files.contentsOfDirectory(atPath: parts.path) {
      let source = try files.destinationOfSymbolicLink(atPath: "\(parts.path)/\(component)")
      let target = "\(path)/\(component)"
      guard let names = try? files.contentsOfDirectory(atPath: source) else {
        try files.copyItem(atPath: source, toPath: target)
        continue
      }
      try folder.makeFolder(component)
      let key = String(source.dropFirst(Places.golden("").count))
      let own = try configurations(key)
      for name in names where own.isEmpty || Self.isContent(name) {
        try addFile("\(source)/\(name)", to: "\(target)/\(name)", key: key)
      }
      for (name, values) in own {
        try folder.write("\(component)/\(name)", values.text)
      }
    }
  }

  /// Whether a file is weights or a vocabulary, which no version says anything new in.
  private static func isContent(_ name: String) -> Bool {
    !name.hasSuffix(".json") || name == "vocab.json" || name == "tokenizer.json"
  }

  private func configurations(_ key: String) throws -> [String: JSONValue] {
    let files = try saved.objectIfPresent("files")?.values ?? [:]
    return files.reduce(into: [:]) { result, file in
      if file.key.hasPrefix(key + "/") { result[String(file.key.dropFirst(key.count + 1))] = file.value }
    }
  }

  private func addFile(_ source: String, to target: String, key: String) throws {
    guard source.hasSuffix(".safetensors"),
      let names = try saved.objectIfPresent("tensors")?.objectIfPresent(key),
      let added = try names.objectIfPresent("added")
    else { return try FileManager.default.createSymbolicLink(atPath: target, withDestinationPath: source) }
    let missing = Set(try names.strings("missing"))
    let file = try SafetensorsFile(path: source)
    var tensors: [(name: String, stored: StoredTensor)] = []
    for name in file.names.sorted() {
      guard let stored = file[name] else { continue }
      if missing.contains(name) {
        guard let other = Self.otherName(name, among: added) else { continue }
        tensors.append((other, stored))
      } else {
        tensors.append((name, stored))
      }
    }
    // What no golden has: positions, which are whole numbers.
    let positions = added.values.keys.filter { $0.hasSuffix("position_ids") }
    let writer = try SafetensorsWriter(
      path: target,
      tensors: tensors.map { .init(name: $0.name, type: $0.stored.type, shape: $0.stored.shape) }
        + positions.map { .init(name: $0, type: .float32, shape: [1, 77]) })
    for (name, stored) in tensors { try writer.append(stored, name: name) }
    for name in positions { try writer.append(Tensor(shape: [1, 77], repeating: 0), name: name) }
    try writer.finish()
  }

  /// A tensor's name in the version's spelling; nil if it does not save that tensor.
  private static func otherName(_ name: String, among added: ConfigObject) -> String? {
    let spellings = [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")]
    var candidates = [name.replacing("text_model.", with: "", maxReplacements: 1), "text_model." + name]
    for (old, new) in spellings {
      candidates += [
        name.replacing(".\(old).", with: ".\(new)."), name.replacing(".\(new).", with: ".\(old)."),
      ]
    }
    return candidates.first { $0 != name && added.has($0) }
  }
}
