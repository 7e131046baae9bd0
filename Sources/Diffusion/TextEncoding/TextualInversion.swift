import Checkpoints
import Foundation
import Tensors

/// A learned word (textual inversion): vectors that the text encoder reads where the word's token stands in a prompt.
package struct TextualInversion: Sendable {
  /// The file it is from.
  package let path: String
  /// Its token in a prompt; upper and lower case do not matter.
  package let token: String
  /// SHA-256 of the file, in hexadecimal.
  package let digest: String
  /// `[vector, width]`, for the first text encoder and, in a file for SDXL, the second.
  package let tables: [Tensor]

  /// Vectors that one token may have: they must fit into a chunk.
  package static let mostVectors = 75

  /// Reads a `.safetensors` file, or a folder with `learned_embeds.safetensors`, of one of these kinds:
  /// - a tensor that is named as its token (diffusers),
  /// - a tensor `emb_params` (AUTOMATIC1111),
  /// - the tensors `clip_l` and `clip_g` (SDXL).
  ///
  /// Each is `[width]` or `[vectors, width]`.
  /// - Parameter token: nil: the tensor's name, or for the last two kinds the file's name without its ending.
  /// - Throws: `CheckpointError` for a file that is not there, damaged, pickled or of another kind.
  package init(path given: String, token: String? = nil) throws {
    let path = try Self.file(given)
    try PickledFile.refuse(path)
    let file = try SafetensorsFile(path: path)
    func malformed(_ reason: String) -> CheckpointError { .malformed(path: path, reason: reason) }
    let names = file.names.sorted()
    let ownName: String?
    switch names {
    case ["clip_g", "clip_l"]: ownName = nil
    case ["emb_params"]: ownName = nil
    case let one where one.count == 1: ownName = one.first
    default:
      throw malformed(
        "holds the tensors \(names.prefix(5).joined(separator: ", ")); an embedding has emb_params, clip_l and clip_g, or one named as its token"
      )
    }
    let stem = (((path as NSString).lastPathComponent) as NSString).deletingPathExtension
    self.path = path
    self.token = token ?? ownName ?? stem
    guard self.token.contains(where: { !$0.isWhitespace }), self.token.utf8.count <= 200 else {
      throw malformed("has no usable token; give one as FILE:TOKEN")
    }
    // clip_l comes first: it is for the first encoder.
    let tables = try names.reversed().map { name in
      guard let stored = file[name] else { throw CheckpointError.missingTensor(name: name, path: path) }
      let shape = stored.shape.count == 1 ? [1] + stored.shape : stored.shape
      guard shape.count == 2, (1...Self.mostVectors).contains(shape[0]), (1...65_536).contains(shape[1])
      else {
        throw malformed(
          "tensor '\(name)' has the shape \(stored.shape); an embedding has 1 to \(Self.mostVectors) rows")
      }
      let tensor = try stored.read()
      guard tensor.isFinite else { throw malformed("tensor '\(name)' holds numbers that are not finite") }
      return Tensor(shape: shape, values: tensor.values)
    }
    guard tables.allSatisfy({ $0.shape[0] == tables[0].shape[0] }) else {
      throw malformed("clip_l and clip_g have different numbers of vectors")
    }
    self.tables = tables
    var digest = Digest()
    try digest.add(contentsOf: FileReader(path: path, purpose: "an embedding"))
    self.digest = digest.hexadecimal()
  }

  /// Vectors that its token becomes.
  package var vectorCount: Int { tables[0].shape[0] }

  /// - Throws: `pickled` for a folder that holds the embedding in no other form.
  private static func file(_ path: String) throws -> String {
    let inside = path + "/learned_embeds.safetensors"
    if FileManager.default.fileExists(atPath: inside) { return inside }
    try PickledFile.refuse(in: path)
    return path
  }
}

// The file's digest is compared instead of its numbers.
extension TextualInversion: Equatable, CustomDebugStringConvertible {
  /// Whether both say the same in a prompt.
  package static func == (one: TextualInversion, other: TextualInversion) -> Bool {
    one.token == other.token && one.digest == other.digest
  }

  /// Token and digest, all that a render depends on.
  package var debugDescription: String { "\(token.debugDescription)=\(digest)" }
}
