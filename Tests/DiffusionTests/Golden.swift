import Checkpoints
import Diffusion
import Foundation
import Requests
import Tensors
import WeightCache

/// The golden files that the genuine Python packages made (Tests/Goldens/README.md).
enum Golden {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Goldens")

  static func path(_ relative: String) -> String { root.appending(path: relative).path }

  /// A JSON file as a decoded value.
  static func decode<Value: Decodable>(_ relative: String, as type: Value.Type = Value.self) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(contentsOf: root.appending(path: relative)))
  }

  /// A tensor file, read with our own reader.
  static func tensors(_ relative: String) throws -> TensorFile {
    TensorFile(file: try SafetensorsFile(path: path(relative)))
  }

  struct TensorFile {
    let file: SafetensorsFile

    subscript(name: String) -> Tensor {
      get throws {
        guard let stored = file[name] else {
          throw CheckpointError.missingTensor(name: name, path: file.path)
        }
        return try stored.read()
      }
    }
  }

  /// Which folders make up a model; a later folder's components replace an earlier one's.
  private static let parts: [String: [String]] = [
    "base": ["model/base"],
    "expert-a": ["model/base", "model/expert-a"],
    "expert-b": ["model/base", "model/expert-b"],
    "wide": ["model/base", "model/wide"],
    "all-3x2": ["model/base", "merges/all-3x2"],
    "ff-2x1": ["model/base", "merges/ff-2x1"],
    "attn-3x1": ["model/base", "merges/attn-3x1"],
    "xl": ["model/base", "families/xl"],
    "xl-turbo": ["model/base", "families/xl", "families/xl-turbo"],
    "xl-distilled": ["model/base", "families/xl", "families/xl-distilled"],
    "sd2": ["model/base", "families/sd2"],
    "no-middle": ["model/base", "families/no-middle"],
    "lcm": ["model/base", "families/lcm"],
    "painter": ["model/base", "images/painter"],
    "xl-painter": ["model/base", "families/xl", "images/xl-painter"],
    "clipping": ["model/base", "images/clipping"],
  ]

  /// A whole model folder made of links to its parts; removed when the value goes.
  final class ModelParts {
    let path: String

    init(_ name: String) throws {
      path = NSTemporaryDirectory() + "segmoe-golden-" + UUID().uuidString
      let files = FileManager.default
      try files.createDirectory(atPath: path, withIntermediateDirectories: true)
      for part in Golden.parts[name] ?? [] {
        for component in try files.contentsOfDirectory(atPath: Golden.path(part)) {
          let link = path + "/" + component
          try? files.removeItem(atPath: link)
          try files.createSymbolicLink(
            atPath: link, withDestinationPath: Golden.path(part) + "/" + component)
        }
      }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// In f32, as the goldens are, unless another precision is what is tested.
    func load(cache: PartCache = PartCache(), precision: Precision = .f32) throws
      -> DiffusionModel
    {
      try DiffusionModel(folder: ModelFolder(path: path), cache: cache, precision: precision)
    }
  }
}

/// √(Σ(a−b)² / Σb²): how far `a` is from the golden `b`.
func relativeError(_ a: Tensor, _ b: Tensor) -> Double {
  guard a.shape == b.shape else { return .infinity }
  var (difference, size) = (0.0, 0.0)
  for (x, y) in zip(a.values, b.values) {
    difference += pow(Double(x) - Double(y), 2)
    size += pow(Double(y), 2)
  }
  return (difference / max(size, 1e-300)).squareRoot()
}
