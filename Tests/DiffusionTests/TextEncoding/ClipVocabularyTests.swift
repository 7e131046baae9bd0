import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Testing

/// The vocabulary that is part of the program, against goldens of the genuine tokenizer.
@Suite struct ClipVocabularyTests {
  private struct Case: Decodable {
    let text: String
    let ids: [Int32]
  }

  @Test func agreesWithTransformersOnHardStrings() throws {
    let tokenizer = try CLIPTokenizer(.clip(pad: "<|endoftext|>"))
    let cases: [Case] = try Golden.decode("tokens/tokens.json")
    #expect(cases.count >= 200)
    for one in cases {
      #expect(tokenizer.encode(one.text) == one.ids, "\(one.text.debugDescription)")
    }
  }

  /// SD2's and SDXL's second tokenizer pad with token 0, which is `!`, and so take `!` as a token of its
  /// own wherever it stands.
  @Test func padsWithAnotherToken() throws {
    let tokenizer = try CLIPTokenizer(.clip(pad: "!"))
    #expect(tokenizer.encode("fox") == [49406, 3240, 49407] + [Int32](repeating: 0, count: 74))
    #expect(tokenizer.tokens(in: "fox!") == [3240, 0])
    #expect(try CLIPTokenizer(.clip(pad: "<|endoftext|>")).tokens(in: "fox!") == [3240, 256])
  }

  @Test func hasAllTokens() throws {
    let vocabulary = try CLIPTokenizer.clipVocabulary()
    #expect(vocabulary.count == CLIPTokenizer.clipTokenCount)
    #expect(Set(vocabulary.values).count == vocabulary.count && vocabulary.values.max() == 49407)
  }
}
