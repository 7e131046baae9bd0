import Requests
import Synchronization
import Tensors

/// The weights of one network, or the part of it under a prefix. Building a layer from a scope is the
/// same as checked loading: `weights["down_blocks"][0]["to_q"].tensor("weight", shape: [320, 320])`.
///
/// Every tensor fetched is noted, for all scopes over the same weights, so that after building a network
/// `unusedNames` tells what the file has and the network has not.
package struct Weights: Sendable {
  private let catalog: Catalog
  /// What comes before every name in this scope: empty, or ending in a dot.
  package let prefix: String
  /// What layers built from this scope compute in.
  package let precision: Precision
  /// Parts of names: scopes below with such a name compute in bfloat16.
  private let halves: [String]
  /// Whether names and shapes are checked but nothing is read: tensors are meta tensors then.
  package let isMeta: Bool

  /// What all scopes over the same weights share.
  private final class Catalog: Sendable {
    let tensors: [String: StoredTensor]
    let path: String
    /// Given where nothing is there and what is asked for is noted.
    let recorder: WeightRecorder?
    let fetched = Mutex<Set<String>>([])

    init(tensors: [String: StoredTensor], path: String, recorder: WeightRecorder? = nil) {
      self.tensors = tensors
      self.path = path
      self.recorder = recorder
    }
  }

  /// Weights by full name: views made by a key map, for example. `path` is named in errors.
  package init(tensors: [String: StoredTensor], path: String) {
    catalog = Catalog(tensors: tensors, path: path)
    prefix = ""
    precision = .f32
    halves = []
    isMeta = false
  }

  /// All tensors of one or several files. `path` is named in errors; `renaming` gives the engine's name
  /// of a file's tensor, or nil to leave it out. Errors: `malformed` if a name comes twice.
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

  /// Weights that are not there: a network that is built from them is told of no tensor, gets what it asks for
  /// without elements, and `recorder` notes the names and shapes.
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

  /// The scope's path without the closing dot, for messages and keys.
  package var name: String { String(prefix.dropLast(prefix.hasSuffix(".") ? 1 : 0)) }

  /// The file or folder the weights are from, for messages.
  package var path: String { catalog.path }

  /// The scope of a component below this one; `name` may hold dots.
  package subscript(name: String) -> Weights {
    let scope = prefix + name + "."
    return Weights(
      catalog: catalog, prefix: scope, precision: halves.contains { scope.contains($0) } ? .bf16 : precision,
      halves: halves, isMeta: isMeta)
  }

  /// The scope of a numbered component below this one.
  package subscript(index: Int) -> Weights { self[String(index)] }

  /// The same weights with patches added to some, by full name. What was fetched is counted anew.
  package func patched(_ patches: [String: [any WeightPatch]]) -> Weights {
    var tensors = catalog.tensors
    for (name, added) in patches { tensors[name] = tensors[name]?.patched(added) }
    return Weights(
      catalog: Catalog(tensors: tensors, path: path), prefix: prefix, precision: precision, halves: halves,
      isMeta: isMeta)
  }

  /// The same scope for layers of another precision; scopes below it have it too.
  /// - Parameters:
  ///   - precision: of the layers.
  ///   - halves: parts of names. Scopes whose names contain one compute in bfloat16 all the same.
  package func layers(in precision: Precision, inHalves halves: [String] = []) -> Weights {
    Weights(catalog: catalog, prefix: prefix, precision: precision, halves: halves, isMeta: isMeta)
  }

  /// The same scope for layers that are built to be checked and measured, not to compute.
  package var meta: Weights {
    Weights(catalog: catalog, prefix: prefix, precision: precision, halves: halves, isMeta: true)
  }
}

// MARK: - Fetching

extension Weights {
  /// The tensor `name` of this scope, not yet read, of just that shape.
  /// Errors: `missingTensor`, `wrongShape`.
  package func stored(_ name: String, shape: [Int]) throws -> StoredTensor {
    let stored = try stored(name)
    guard stored.shape == shape else {
      throw CheckpointError.wrongShape(
        name: stored.name, path: stored.path, expected: shape, found: stored.shape)
    }
    return stored
  }

  /// The tensor `name` of this scope, not yet read, whatever its shape. Error: `missingTensor`.
  package func stored(_ name: String) throws -> StoredTensor {
    let full = prefix + name
    guard let stored = catalog.tensors[full] else {
      throw CheckpointError.missingTensor(name: full, path: path)
    }
    catalog.fetched.withLock { _ = $0.insert(full) }
    return stored
  }

  /// The values of `name` as floats. Errors: `missingTensor`, `wrongShape`, and those of reading.
  package func tensor(_ name: String, shape: [Int]) throws -> Tensor {
    if isMeta {
      try plan(name, shape: shape)
      return Tensor(meta: shape)
    }
    return try stored(name, shape: shape).read()
  }

  /// Checks that there is such a tensor; of a recording, notes it.
  private func plan(_ name: String, shape: [Int]) throws {
    if let recorder = catalog.recorder {
      recorder.note(prefix + name, shape: shape)
    } else {
      _ = try stored(name, shape: shape)
    }
  }

  /// The rows of `name`, to be read as they are needed: of the outermost axis, whatever the others.
  /// Errors: `missingTensor`, `wrongShape`; reading has its own.
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

  /// The shape of `name`, or nil if there is no such tensor. Does not count as fetching.
  package func shape(of name: String) -> [Int]? { catalog.tensors[prefix + name]?.shape }
}

// MARK: - Looking around

extension Weights {
  /// Whether this scope has a tensor of just that name.
  package func has(_ name: String) -> Bool { catalog.tensors[prefix + name] != nil }

  /// Whether there is no tensor under this scope. Of a recording, which has what is asked for, false.
  package var isEmpty: Bool {
    catalog.recorder == nil && !catalog.tensors.keys.contains { $0.hasPrefix(prefix) }
  }

  /// The names under this scope, without its prefix, sorted. Looks through all names.
  package var names: [String] {
    let length = prefix.utf8.count
    return catalog.tensors.keys.compactMap { name in
      name.utf8.starts(with: prefix.utf8) ? String(decoding: name.utf8.dropFirst(length), as: UTF8.self) : nil
    }.sorted()
  }

  /// The tensors under this scope by full name. Does not count as fetching.
  package var tensors: [String: StoredTensor] {
    prefix.isEmpty ? catalog.tensors : catalog.tensors.filter { $0.key.hasPrefix(prefix) }
  }

  /// Full names under this scope that nothing has fetched yet, sorted.
  package func unusedNames() -> [String] {
    let fetched = catalog.fetched.withLock { $0 }
    return catalog.tensors.keys.filter { $0.hasPrefix(prefix) && !fetched.contains($0) }.sorted()
  }
}
