import Requests
import Synchronization
import Tensors

/// The weights of a network, or the scope of them under a prefix. A layer that is built from a scope is loaded and
/// checked at the same time: `weights["down_blocks"][0]["to_q"].tensor("weight", shape: [320, 320])`.
///
/// Every tensor that is fetched is recorded, for all scopes of the same weights. So after a network is built,
/// `unusedNames` lists the tensors that the file has and the network does not use.
package struct Weights: Sendable {
  private let catalog: Catalog
  /// The prefix of every name in this scope: empty, or with a dot at the end.
  package let prefix: String
  /// The precision of layers that are built from this scope.
  package let precision: Precision
  /// Parts of names. Layers in scopes with such a part compute in bfloat16.
  private let halves: [String]
  /// Whether names and shapes are checked but nothing is read. Tensors are meta tensors then.
  package let isMeta: Bool

  /// What all scopes of the same weights share.
  private final class Catalog: Sendable {
    let tensors: [String: StoredTensor]
    let path: String
    /// Given if there are no tensors, and requests are recorded.
    let recorder: WeightRecorder?
    let fetched = Mutex<Set<String>>([])

    init(tensors: [String: StoredTensor], path: String, recorder: WeightRecorder? = nil) {
      self.tensors = tensors
      self.path = path
      self.recorder = recorder
    }
  }

  /// Weights by full name, for example views made by a key map. Errors name `path`.
  package init(tensors: [String: StoredTensor], path: String) {
    catalog = Catalog(tensors: tensors, path: path)
    prefix = ""
    precision = .f32
    halves = []
    isMeta = false
  }

  /// All tensors of one or several files. Errors name `path`. `renaming` returns the engine's name of a tensor, or nil
  /// to leave it out.
  /// - Throws: `malformed` if a name comes twice.
  package init(
    files: [SafetensorsFile], path: String, renaming: (String) -> String? = { $0 }
  ) throws {
    var tensors: [String: StoredTensor] = [:]
    for file in files {
      for name in file.names {
        guard let stored = file[name], let known = renaming(name) else { continue }
        guard tensors.updateValue(stored.renamed(known), forKey: known) == nil else {
          throw CheckpointError.malformed(path: file.path, reason: "tensor '\(known)' is there twice")
        }
      }
    }
    self.init(tensors: tensors, path: path)
  }

  /// Weights without tensors, for recording. A network that is built from them gets meta tensors, and `recorder`
  /// records their names and shapes.
  package init(recording recorder: WeightRecorder) {
    catalog = Catalog(tensors: [:], path: "a recording", recorder: recorder)
    prefix = ""
    precision = .f32
    halves = []
    isMeta = true
  }

  private init(catalog: Catalog, prefix: String, precision: Precision, halves: [String], isMeta: Bool) {
    self.catalog = catalog
    self.prefix = prefix
    self.precision = precision
    self.halves = halves
    self.isMeta = isMeta
  }

  /// The prefix without its last dot, for messages and keys.
  package var name: String { String(prefix.dropLast(prefix.hasSuffix(".") ? 1 : 0)) }

  /// The path of the weights' file or folder, for messages.
  package var path: String { catalog.path }

  /// The scope below this one with a name, which may have dots.
  package subscript(name: String) -> Weights {
    let scope = prefix + name + "."
    return Weights(
      catalog: catalog, prefix: scope, precision: halves.contains { scope.contains($0) } ? .bf16 : precision,
      halves: halves, isMeta: isMeta)
  }

  /// The scope below this one with a number.
  package subscript(index: Int) -> Weights { self[String(index)] }

  /// The same weights with patches, by full name. The record of fetched tensors starts anew.
  package func patched(_ patches: [String: [any WeightPatch]]) -> Weights {
    var tensors = catalog.tensors
    for (name, added) in patches { tensors[name] = tensors[name]?.patched(added) }
    return Weights(
      catalog: Catalog(tensors: tensors, path: path), prefix: prefix, precision: precision, halves: halves,
      isMeta: isMeta)
  }

  /// The same scope with another precision, which holds for all scopes below it.
  /// - Parameters:
  ///   - precision: the precision of the layers.
  ///   - halves: parts of names. Layers in scopes with such a part compute in bfloat16 in any case.
  package func layers(in precision: Precision, inHalves halves: [String] = []) -> Weights {
    Weights(catalog: catalog, prefix: prefix, precision: precision, halves: halves, isMeta: isMeta)
  }

  /// The same scope, for layers that are only checked and measured.
  package var meta: Weights {
    Weights(catalog: catalog, prefix: prefix, precision: precision, halves: halves, isMeta: true)
  }
}

// MARK: - Fetching

extension Weights {
  /// A tensor of this scope, not yet read. It must have the given shape.
  /// - Throws: `missingTensor`, `wrongShape`.
  package func stored(_ name: String, shape: [Int]) throws -> StoredTensor {
    let stored = try stored(name)
    guard stored.shape == shape else {
      throw CheckpointError.wrongShape(
        name: stored.name, path: stored.path, expected: shape, found: stored.shape)
    }
    return stored
  }

  /// A tensor of this scope, not yet read, of any shape.
  /// - Throws: `missingTensor`.
  package func stored(_ name: String) throws -> StoredTensor {
    let full = prefix + name
    guard let stored = catalog.tensors[full] else {
      throw CheckpointError.missingTensor(name: full, path: path)
    }
    catalog.fetched.withLock { _ = $0.insert(full) }
    return stored
  }

  /// The values of a tensor as floats.
  /// - Throws: `missingTensor`, `wrongShape`, and what reading throws.
  package func tensor(_ name: String, shape: [Int]) throws -> Tensor {
    if isMeta {
      try plan(name, shape: shape)
      return Tensor(meta: shape)
    }
    return try stored(name, shape: shape).read()
  }

  /// Checks that there is such a tensor, or records it.
  private func plan(_ name: String, shape: [Int]) throws {
    if let recorder = catalog.recorder {
      recorder.note(prefix + name, shape: shape)
    } else {
      _ = try stored(name, shape: shape)
    }
  }

  /// The rows of a tensor along its outermost axis. They are read when they are needed.
  /// - Throws: `missingTensor`, `wrongShape`. Reading throws its own errors.
  package func rows(_ name: String, shape: [Int]) throws -> WeightRows {
    let width = shape.dropFirst().reduce(1, *)
    if isMeta {
      try plan(name, shape: shape)
      return WeightRows(Tensor(meta: [shape[0], width]))
    }
    let stored = try stored(name, shape: shape)
    if stored.patches.contains(where: \.readsWhole) { return WeightRows(try stored.read()) }
    return WeightRows(count: shape[0], width: width) { range, buffer in
      try stored.read(into: buffer, elements: range.lowerBound * width..<range.upperBound * width)
    }
  }

  /// The shape of a tensor; nil if there is none of that name. It does not count as fetching.
  package func shape(of name: String) -> [Int]? { catalog.tensors[prefix + name]?.shape }
}

// MARK: - Looking around

extension Weights {
  /// Whether this scope has a tensor with that name.
  package func has(_ name: String) -> Bool { catalog.tensors[prefix + name] != nil }

  /// Whether there is no tensor under this scope. While recording it is false.
  package var isEmpty: Bool {
    catalog.recorder == nil && !catalog.tensors.keys.contains { $0.hasPrefix(prefix) }
  }

  /// The names under this scope, without its prefix, sorted. It takes time in proportion to all names.
  package var names: [String] {
    let length = prefix.utf8.count
    return catalog.tensors.keys.compactMap { name in
      name.utf8.starts(with: prefix.utf8) ? String(decoding: name.utf8.dropFirst(length), as: UTF8.self) : nil
    }.sorted()
  }

  /// The tensors under this scope by full name. It does not count as fetching.
  package var tensors: [String: StoredTensor] {
    prefix.isEmpty ? catalog.tensors : catalog.tensors.filter { $0.key.hasPrefix(prefix) }
  }

  /// The full names under this scope that have not been fetched yet, sorted.
  package func unusedNames() -> [String] {
    let fetched = catalog.fetched.withLock { $0 }
    return catalog.tensors.keys.filter { $0.hasPrefix(prefix) && !fetched.contains($0) }.sorted()
  }
}
