import Foundation
import Images
import TestSupport
import Testing

/// Files of a render that are replaced while it reads them. The picture and its text, which has their digests, are those
/// of one of the two files, or there is no picture.
@Suite struct ReplacedFileTests {
  /// What a render adds to its model.
  enum Addition: CaseIterable {
    case lora
    case word

    /// Two files of one size, by a number.
    func bytes(_ seed: Int) -> Data {
      let layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q"
      switch self {
      case .lora:
        return Data(
          safetensors([
            "\(layer).lora_A.weight": TestTensor([2, 16], seed: seed),
            "\(layer).lora_B.weight": TestTensor([16, 2], seed: seed + 1),
          ]))
      case .word: return Data(safetensors(["emb_params": TestTensor([2, 32], seed: seed)]))
      }
    }

    func options(_ path: String) -> [String] {
      switch self {
      case .lora: ["--lora", path]
      case .word: ["--embedding", path + ":fox"]
      }
    }
  }

  /// Replaced by another file of that name, or written over in place.
  enum Way: CaseIterable {
    case renamed
    case overwritten
  }

  @Test(.enabled(if: FaultLibrary.isThere), arguments: Addition.allCases, Way.allCases)
  func theDigestIsThatOfWhatWasRead(_ addition: Addition, _ way: Way) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("added.safetensors")
    let contents = [addition.bytes(1), addition.bytes(8)]
    let render = FaultyRender(in: folder, ["--prompt", "a fox"] + addition.options(path))
    let pictures = try contents.map { content in
      try content.write(to: URL(fileURLWithPath: path))
      return try #require(try render.run([]).picture)
    }
    let pixels = try pictures.map { try PNGFile.decode([UInt8]($0)).image }
    #expect(pixels[0] != pixels[1])
    var (seen, failures, reads) = (Set<Data>(), 0, 0)
    for read in 1... {
      try contents[0].write(to: URL(fileURLWithPath: path), options: .atomic)
      let ending = try render.run(["read:/added.safetensors$:\(read):stop"]) {
        try contents[1].write(to: URL(fileURLWithPath: path), options: way == .renamed ? .atomic : [])
      }
      if let picture = ending.picture {
        #expect(pictures.contains(picture), "replaced before read \(read)")
        seen.insert(picture)
      } else {
        #expect(ending.code != 0 && ending.errors.contains("changed"), "\(ending.errors)")
        failures += 1
      }
      guard ending.wasStruck else { break }
      reads += 1
    }
    #expect(reads > 3 && seen.contains(pictures[0]))
    #expect(way == .renamed ? seen == Set(pictures) : failures > 0)
  }
}
