import Checkpoints
import Diffusion
import Foundation
import Requests
import Tensors
import TestSupport
import WeightCache

/// The golden files that the genuine Python packages made (`Tests/Goldens/README.md`).
package enum Golden {
  /// A JSON file as a decoded value.
  package static func decode<Value: Decodable>(_ relative: String, as type: Value.Type = Value.self) throws
    -> Value
  {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      type, from: Data(contentsOf: URL(fileURLWithPath: Places.golden(relative))))
  }

  /// A tensor file, read with our own reader.
  package static func tensors(_ relative: String) throws -> TensorFile {
    TensorFile(file: try SafetensorsFile(path: Places.golden(relative)))
  }

  /// The tensors of a golden file, each read when it is asked for.
  package struct TensorFile {
    /// The file.
    package let file: SafetensorsFile

    /// The tensor of that name, or an error that names the file.
    package subscript(name: String) -> Tensor {
      get throws {
        guard let stored = file[name] else {
          throw CheckpointError.missingTensor(name: name, path: file.path)
        }
        return try stored.read()
      }
    }
  }

  /// A whole model folder made of links to its parts. It is removed when the last reference to it goes.
  package final class ModelParts {
    private let folder: TemporaryFolder

    /// The model's folder.
    package var path: String { folder.path }

    /// - Parameter name: a name that `GoldenParts` knows.
    package init(_ name: String) throws {
      folder = try TemporaryFolder()
      try GoldenParts.assemble(name, at: folder.path, as: .links)
    }

    /// Opens the model.
    /// - Parameters:
    ///   - cache: where its weights go.
    ///   - precision: f32, as the goldens are, unless another precision is what is tested.
    package func load(cache: PartCache = PartCache(), precision: Precision = .f32) throws
      -> DiffusionModel
    {
      try DiffusionModel(folder: ModelFolder(path: path), cache: cache, precision: precision)
    }
  }
}

/// √(Σ(a−b)² / Σb²): how far `a` is from the golden `b`.
package func relativeError(_ a: Tensor, _ b: Tensor) -> Double {
  guard a.shape == b.shape else { return .infinity }
  var (difference, size) = (0.0, 0.0)
  for (x, y) in zip(a.values, b.values) {
    difference += pow(Double(x) - Double(y), 2)
    size += pow(Double(y), 2)
  }
  return (difference / max(size, 1e-300)).squareRoot()
}

/// The cosine of the angle between two vectors: how alike their directions are.
package func cosine(_ a: [Float], _ b: [Float]) -> Double {
  let dot = zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
  let sizes = [a, b].map { $0.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
  return dot / max(sizes[0] * sizes[1], 1e-30)
}
