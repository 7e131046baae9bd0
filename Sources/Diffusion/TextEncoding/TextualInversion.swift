import Boundary
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
  /// Tokens of single vectors, in order: pivotal tuning trains several words at once, `<s0>`, `<s1>`….
  let rowTokens: [String]

  /// Vectors that one token may have: they must fit into a chunk.
  static let mostVectors = 75

  /// Bytes of a header. Its few tensors need hundreds; metadata may hold notes. Words of jobs are read beside whatever
  /// is in memory.
  private static let largestHeader = 1 << 20
  /// Wider than any text encoder.
  private static let widest = 8192

  /// Reads a safetensors file of one of these kinds:
  /// - a tensor that is named as its token (diffusers),
  /// - a tensor `emb_params` or `string_to_param.*` (AUTOMATIC1111),
  /// - the tensors `clip_l` and `clip_g`, or one of them (SDXL),
  /// - the tensors `text_encoders_0` and `text_encoders_1` (pivotal tuning),
  ///
  /// or a folder with `learned_embeds.safetensors` and, for SDXL, `learned_embeds_2.safetensors`. Each tensor is
  /// `[width]` or `[vectors, width]`; counters beside them are passed over.
  /// - Parameters:
  ///   - given: the file or folder.
  ///   - token: nil: the tensor's name, or for the other kinds the file's name without its ending.
  /// - Throws: `CheckpointError` for a file that is not there, damaged, pickled or of another kind.
  package init(path given: String, token: String? = nil) throws {
    let files = try Self.files(given)
    var digest = Digest()
    var kinds: [Packing] = []
    for path in files {
      try PickledFile.refuse(path)
      let file = try SafetensorsFile(path: path, largestHeader: Self.largestHeader)
      kinds.append(try Packing(file))
      try file.add(to: &digest)
    }
    let stem = (((files[0] as NSString).lastPathComponent) as NSString).deletingPathExtension
    let tensors = kinds.flatMap(\.tensors)
    let hasRowTokens = kinds.contains(where: \.hasRowTokens)
    try self.init(
      path: files[0], token: token ?? kinds[0].token ?? stem, digest: digest.hexadecimal(), tensors: tensors,
      hasRowTokens: hasRowTokens)
  }

  /// A word that came within a LoRA.
  /// - Parameters:
  ///   - word: the word inside a LoRA file.
  ///   - path: the LoRA file's path.
  ///   - digest: the digest of the LoRA's file.
  /// - Throws: `CheckpointError` for vectors that cannot be.
  package init(_ word: BundledWord, path: String, digest: String) throws {
    let parts = ["clip_l", "clip_g", "emb_params"]
    try self.init(
      path: path, token: word.token, digest: digest, tensors: parts.compactMap { word.tensors[$0] },
      hasRowTokens: false)
  }

  private init(
    path: String, token: String, digest: String, tensors: [StoredTensor], hasRowTokens: Bool
  ) throws {
    func malformed(_ reason: String) -> CheckpointError { .malformed(path: path, reason: reason) }
    guard token.contains(where: { !$0.isWhitespace }), token.utf8.count <= 200 else {
      throw malformed("has no usable token; give one as FILE:TOKEN")
    }
    tables = try tensors.map { stored in
      let shape = stored.shape.count == 1 ? [1] + stored.shape : stored.shape
      guard shape.count == 2, (1...Self.mostVectors).contains(shape[0]), (1...Self.widest).contains(shape[1])
      else {
        throw malformed(
          "tensor '\(stored.name)' has the shape \(stored.shape); an embedding has 1 to \(Self.mostVectors) rows"
        )
      }
      let tensor = try stored.read()
      guard tensor.isFinite else {
        throw malformed("tensor '\(stored.name)' holds numbers that are not finite")
      }
      return Tensor(shape: shape, values: tensor.values)
    }
    guard let first = tables.first, tables.allSatisfy({ $0.shape[0] == first.shape[0] }) else {
      throw malformed("its parts for the two text encoders have different numbers of vectors")
    }
    self.path = path
    self.token = token
    self.digest = digest
    rowTokens = hasRowTokens ? (0..<first.shape[0]).map { "<s\($0)>" } : []
  }

  /// Vectors that its token becomes.
  package var vectorCount: Int { tables[0].shape[0] }

  /// The files behind a path. Errors: `pickled` for a folder that holds the embedding in no other form.
  private static func files(_ path: String) throws -> [String] {
    let inside = path + "/learned_embeds.safetensors"
    if Confinement.models.has(inside) {
      let second = path + "/learned_embeds_2.safetensors"
      return Confinement.models.has(second) ? [inside, second] : [inside]
    }
    try PickledFile.refuse(in: path)
    return [path]
  }
}

extension TextualInversion {
  /// How a file packs a word: its tensors, that for the first text encoder first.
  private struct Packing {
    let tensors: [StoredTensor]
    /// nil: the file does not say it.
    let token: String?
    let hasRowTokens: Bool

    private static let known = [
      ["clip_l", "clip_g"], ["clip_l"], ["clip_g"], ["text_encoders_0", "text_encoders_1"],
      ["text_encoders_0"],
      ["emb_params"], ["string_to_param.*"], ["*"],
    ]

    /// Errors: `malformed` for a file of another kind.
    init(_ file: SafetensorsFile) throws {
      // Steps and epochs, as trainers count them.
      let names = file.names.filter { name in
        file[name].map { !($0.count == 1 && $0.type.isInteger) } ?? false
      }
      if names.contains(where: { $0.contains("lora_") || $0.contains(".lora") }) {
        throw CheckpointError.unknownCheckpoint(
          path: file.path, reason: "is a LoRA: name it with --lora")
      }
      let kind = Self.known.first { Set($0) == Set(names) }
      guard let order = kind ?? (names.count == 1 ? names : nil) else {
        throw CheckpointError.malformed(
          path: file.path,
          reason:
            "holds the tensors \(names.sorted().prefix(5).joined(separator: ", ")); an embedding has emb_params, "
            + "clip_l and clip_g, text_encoders_0 and text_encoders_1, or one named as its token")
      }
      tensors = order.compactMap { file[$0] }
      token = kind == nil ? order.first : nil
      hasRowTokens = order.first == "text_encoders_0"
    }
  }
}

// The file's digest stands for its numbers.
extension TextualInversion: Equatable, CustomDebugStringConvertible {
  /// Whether both say the same in a prompt.
  package static func == (one: TextualInversion, other: TextualInversion) -> Bool {
    one.token == other.token && one.digest == other.digest
  }

  /// Token and digest, all that a render depends on.
  package var debugDescription: String { "\(token.debugDescription)=\(digest)" }
}
