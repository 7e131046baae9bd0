import Checkpoints
import Diffusion
import Foundation
import Fuzzing
import GoldenModels
import TestSupport
import Testing

/// Prompts and tokenizer files, made at random: tokens or an error with a text, never a crash.
@Suite struct FuzzTests {
  @Test func fuzzedPromptsGiveChunksOrAnError() throws {
    let reader = PromptTokenizer(try Golden.ModelParts("base").load().prompts.first.tokenizer)
    let pieces = [
      "(", ")", "[", "]", "\\", ":", ":1.2)", ": -0.5 )", ":1e9)", ":99999999999999999999)", " BREAK ",
      "BREAK", "a red fox",
      ", ", "é", "日本", "\u{301}", "\u{1F431}", "\u{2028}", "\u{10FFFF}", "<|endoftext|>", "<|", "'s", "9",
      ".", "AND",
    ]
    var read = 0
    let run = try FuzzRun("prompt", cases: 3000) { _, numbers in
      var prompt = ""
      for _ in 0..<numbers.below(numbers.below(20) == 0 ? 600 : 30) {
        prompt += pieces[numbers.below(pieces.count)]
        if numbers.below(30) == 0, let scalar = Unicode.Scalar(UInt32(numbers.below(0x11_0000))) {
          prompt.unicodeScalars.append(scalar)
        }
      }
      do {
        let chunks = try reader.chunks(WeightedPrompt(prompt))
        read += 1
        #expect(
          !chunks.isEmpty && chunks.allSatisfy { $0.ids.count <= 75 && $0.ids.count == $0.weights.count })
        #expect(chunks.allSatisfy { $0.weights.allSatisfy(\.isFinite) && reader.framed($0).count == 77 })
      } catch is DiffusionError {}
    }
    #expect(read > run.cases / 2 && read < run.cases, "\(read) of \(run.cases)")
    #expect(run.isBounded)
  }

  @Test func fuzzedTokenizersGiveTokensOrAnError() throws {
    let place = try TemporaryFolder()
    let folder = try place.copy(Places.golden("model/wide/tokenizer"), to: "tokenizer")
    defer { withExtendedLifetime(place) {} }
    let file = folder + "/tokenizer.json"
    let seed = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    // Most of the file is vocabulary; what is around it is worth as many changes.
    let text = String(decoding: seed, as: UTF8.self)
    let head = text.range(of: "\"vocab\"").map { text[..<$0.lowerBound].utf8.count } ?? 0
    let pieces = [
      "{", "}", "[", "]", "\"", ":", ",", "null", "-1", "1073741824", "\"id\": 5", "</w>", "true",
    ]
    var loaded = 0
    let run = try FuzzRun("tokenizer", cases: 100) { number, numbers in
      var bytes = seed
      if number % 2 == 0, head > 0 {
        var start = Array(bytes[..<head])
        numbers.mutate(&start, pieces: pieces)
        bytes = start + bytes[head...]
      } else {
        numbers.mutate(&bytes, pieces: pieces)
      }
      try Data(bytes).write(to: URL(fileURLWithPath: file))
      do {
        let tokenizer = try CLIPTokenizer(folder: ComponentFolder(path: folder))
        loaded += 1
        #expect(tokenizer.encode("a red <|endoftext|> fox, é 42!").count == tokenizer.maximumLength)
      } catch is CheckpointError {}
    }
    #expect(loaded > 0 && loaded < run.cases, "\(loaded) of \(run.cases)")
    #expect(run.isBounded)
  }
}
