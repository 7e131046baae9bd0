import Checkpoints
import Diffusion
import Foundation
import TestSupport
import Testing

/// Files of learned words: which layouts are read, and what is refused.
@Suite struct TextualInversionTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func file(_ tensors: [(String, [Int], [Float])], named name: String = "word") throws -> String {
    let named = tensors.map { ($0.0, TestTensor($0.1, $0.2)) }
    return try folder.write("\(name).safetensors", tensors: Dictionary(uniqueKeysWithValues: named))
  }

  @Test func layoutsAndTokens() throws {
    let learned = try TextualInversion(path: file([("<cat>", [4], [1, 2, 3, 4])]))
    #expect(learned.token == "<cat>" && learned.vectorCount == 1 && learned.tables[0].shape == [1, 4])
    let stem = try TextualInversion(path: file([("emb_params", [2, 2], [1, 2, 3, 4])], named: "my style"))
    #expect(stem.token == "my style" && stem.vectorCount == 2)
    let given = try TextualInversion(path: stem.path, token: "other")
    #expect(given.token == "other" && given != stem && given.digest == stem.digest)
    let two = try TextualInversion(
      path: file([("clip_g", [1, 3], [7, 8, 9]), ("clip_l", [1, 2], [5, 6])], named: "big"))
    #expect(two.token == "big")
    #expect(two.tables.map(\.values) == [[5, 6], [7, 8, 9]])
  }

  @Test func otherFilesAreRefused() throws {
    let wrong: [[(String, [Int], [Float])]] = [
      [("a", [1], [1]), ("b", [1], [1])], [("a", [1, 1, 1], [1])], [("a", [1], [.nan])],
      [("a", [76, 1], Array(repeating: 0, count: 76))], [],
      [("clip_l", [1, 1], [1]), ("clip_g", [2, 1], [1, 2])],
    ]
    for tensors in wrong {
      #expect(throws: CheckpointError.self) { try TextualInversion(path: file(tensors)) }
    }
    #expect(throws: CheckpointError.self) { try TextualInversion(path: "/nowhere/x.pt") }
    #expect(throws: CheckpointError.self) { try TextualInversion(path: "/nowhere/x.safetensors") }
  }

  /// A file for another kind of model is named, not bent.
  @Test func widthsAndEncodersMustFit() throws {
    let two = try TextualInversion(
      path: file([("clip_l", [1, 32], .init(repeating: 0, count: 32)), ("clip_g", [1, 4], [1, 2, 3, 4])]))
    let narrow = try TextualInversion(path: file([("emb_params", [1, 4], [1, 2, 3, 4])]))
    for word in [two, narrow] {
      #expect(throws: DiffusionError.self) {
        try EmbeddingTable([word], encoder: 0, of: 1, width: 32, first: 100)
      }
    }
    let table = try EmbeddingTable([two], encoder: 1, of: 2, width: 4, first: 100)
    #expect(table.vectors == [100: 100..<101] && table.rows?.table.values == [1, 2, 3, 4])
  }
}
