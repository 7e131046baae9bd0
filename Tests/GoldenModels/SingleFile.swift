import Checkpoints
import Diffusion
import Foundation
import Tensors
import TestSupport
import WeightCache

/// A golden model as one file in CompVis' layout, put together after the recipe that
/// `Goldens/scripts/single_files.py` made and diffusers has checked. It is removed when the last reference to it goes.
package final class SingleFile {
  private let place: TemporaryFolder

  /// The folder that holds the file and its companion.
  package var folder: String { place.path }

  /// The file.
  package var path: String { place.file("model.safetensors") }

  /// - Parameters:
  ///   - model: the model's name, as `Golden.ModelParts` knows it.
  ///   - without: components whose tensors are left out.
  ///   - extra: tensors that no component needs, with their shapes.
  ///   - metadata: what the file says of itself.
  ///   - companion: whether what tiny models say beyond shapes lies beside the file.
  package init(
    _ model: String, without: Set<String> = [], extra: [String: [Int]] = [:],
    metadata: [String: String] = [:],
    companion: Bool = true
  ) throws {
    place = try TemporaryFolder()
    let parts = try Golden.ModelParts(model)
    let source = try ModelFolder(path: parts.path)
    let rows: [[String]] = try Golden.decode("single/\(model).json")
    var tensors: [(declaration: SafetensorsWriter.Declaration, values: Values)] = []
    for row in rows where !without.contains(row[1]) {
      tensors.append(try Self.tensor(row, source.weights(for: row[1])))
    }
    for (name, shape) in extra {
      let values = Values.made(Tensor(shape: shape, repeating: 3))
      tensors.append((.init(name: name, type: .float32, shape: shape), values))
    }
    let writer = try SafetensorsWriter(
      path: path, tensors: tensors.map(\.declaration), metadata: metadata)
    // Tensors without elements need no data.
    for (declaration, values) in tensors where !declaration.shape.contains(0) {
      switch values {
      case .stored(let stored): try writer.append(stored, name: declaration.name)
      case .made(let tensor): try writer.append(tensor, name: declaration.name)
      }
    }
    try writer.finish()
    if companion { try addCompanion(parts.path) }
  }

  /// Opens the model.
  /// - Parameter vae: a VAE to use in place of the file's own.
  package func load(vae: String? = nil) throws -> DiffusionModel {
    try DiffusionModel(folder: ModelPath(path).open(), vae: vae, cache: PartCache())
  }

  /// Everything of a model folder but its weights.
  private func addCompanion(_ model: String) throws {
    let files = FileManager.default
    for component in try files.contentsOfDirectory(atPath: model) {
      let source = URL(fileURLWithPath: "\(model)/\(component)").resolvingSymlinksInPath().path
      guard let names = try? files.contentsOfDirectory(atPath: source) else { continue }
      let target = "\(folder)/model.config/\(component)"
      try files.createDirectory(atPath: target, withIntermediateDirectories: true)
      for name in names where !name.hasSuffix(".safetensors") {
        try files.copyItem(atPath: "\(source)/\(name)", toPath: "\(target)/\(name)")
      }
    }
  }

  private enum Values {
    case stored(StoredTensor)
    case made(Tensor)
  }

  private static func tensor(
    _ row: [String], _ weights: Weights
  ) throws -> (SafetensorsWriter.Declaration, Values) {
    let stored = try weights.stored(row[2])
    if row[3].isEmpty {
      return (.init(name: row[0], type: stored.type, shape: stored.shape), .stored(stored))
    }
    var tensor = try stored.read()
    switch row[3] {
    case "fused":
      let three = try ["q_proj", "k_proj", "v_proj"].map {
        try weights.stored(row[2].replacingOccurrences(of: "q_proj", with: $0)).read()
      }
      var shape = tensor.shape
      shape[0] *= 3
      tensor = Tensor(shape: shape, values: three.flatMap(\.values))
    case "transposed":
      let (rows, columns) = (tensor.shape[0], tensor.shape[1])
      let values = tensor.values
      tensor = Tensor(
        shape: [columns, rows],
        values: (0..<rows * columns).map { values[$0 % rows * columns + $0 / rows] })
    case "pointwise": tensor = tensor.reshaped(tensor.shape + [1, 1])
    default: break
    }
    return (.init(name: row[0], type: stored.type, shape: tensor.shape), .made(tensor))
  }
}
