import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import TestSupport
import Testing

/// Tokens are held against goldens of the genuine `CLIPTokenizer` (transformers 5, tokenizers 0.23).
@Suite struct CLIPTokenizerTests {
  private struct Case: Decodable {
    let text: String
    let ids: [Int32]
  }

  private static func cases(_ name: String) throws -> [Case] {
    try Golden.decode("tokens/\(name)")
  }

  /// A tokenizer folder for a test: the real merges, with the vocabulary that follows from them.
  private struct RealFolder {
    private let folder: TemporaryFolder
    /// The tokenizer's own folder.
    let url: URL

    init(config: [String: Any]? = nil) throws {
      folder = try TemporaryFolder()
      url = URL(fileURLWithPath: try folder.copy(Places.golden("tokens/clip"), to: "clip"))
      if let config {
        try FileManager.default.removeItem(at: url.appendingPathComponent("special_tokens_map.json"))
        try JSONSerialization.data(withJSONObject: config)
          .write(to: url.appendingPathComponent("tokenizer_config.json"))
      }
      let text = try String(contentsOf: url.appendingPathComponent("merges.txt"), encoding: .utf8)
      let merges = text.split(separator: "\n").dropFirst().map { String($0.filter { $0 != " " }) }
      // CLIP numbers the printable bytes first, then those that need a stand-in.
      let symbols = CLIPVocabulary.byteSymbols()
      let bytes = symbols.filter { $0.value < 0x100 } + symbols.filter { $0.value >= 0x100 }
      let endings = bytes.map { "\($0)</w>" }
      let tokens = bytes.map { String($0) } + endings + merges + ["<|startoftext|>", "<|endoftext|>"]
      try #require(tokens.count == 49408)
      let vocabulary = [String: Int](
        uniqueKeysWithValues: tokens.enumerated().map { ($0.element, $0.offset) })
      try JSONEncoder().encode(vocabulary).write(to: url.appendingPathComponent("vocab.json"))
    }

    func tokenizer() throws -> CLIPTokenizer {
      try CLIPTokenizer(folder: ComponentFolder(path: url.path))
    }
  }

  private func expectGoldens(_ name: String, of tokenizer: CLIPTokenizer, atLeast count: Int) throws {
    let cases = try Self.cases(name)
    #expect(cases.count >= count)
    for one in cases {
      #expect(tokenizer.encode(one.text) == one.ids, "\(one.text.debugDescription)")
    }
  }

  @Test func realVocabularyAgreesOnHardStrings() throws {
    try expectGoldens("tokens.json", of: RealFolder().tokenizer(), atLeast: 200)
  }

  @Test func plainSpecialTokensMatchOnlyAsWritten() throws {
    let config = [
      "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
      "unk_token": "<|endoftext|>",
    ]
    try expectGoldens("tokens-plain-specials.json", of: RealFolder(config: config).tokenizer(), atLeast: 20)
  }

  @Test(arguments: ["base", "wide"]) func bothLayoutsAgreeOnTheCutVocabulary(model: String) throws {
    let folder = try ComponentFolder(
      path: Places.golden("model/\(model)/tokenizer"))
    #expect(folder.has("tokenizer.json") == (model == "wide"))
    try expectGoldens("tokens-cut.json", of: CLIPTokenizer(folder: folder), atLeast: 60)
  }

  /// Ids by the genuine tokenizer under the same files, for what the goldens' files do not hold.
  @Test func addedTokensKeepTheirOptions() throws {
    func token(_ content: String, _ options: [String: Bool] = [:]) -> [String: Any] {
      let plain = [
        "lstrip": false, "rstrip": false, "normalized": false, "single_word": false, "special": true,
      ]
      return (plain.merging(options) { $1 } as [String: Any]).merging(["content": content]) { $1 }
    }
    let config: [String: Any] = [
      "added_tokens_decoder": [
        "0": token("!"), "49406": token("<|startoftext|>", ["normalized": true]),
        "49407": token("<|endoftext|>"),
        "49408": token("<Cat-Toy>", ["lstrip": true, "special": false, "normalized": true]),
        "49409": token("<dog>", ["lstrip": true, "rstrip": true]),
        "49410": token("fox", ["single_word": true, "special": false, "normalized": true]),
      ] as [String: Any],
      "pad_token": "!", "model_max_length": 12,
    ]
    let tokenizer = try RealFolder(config: config).tokenizer()
    #expect(tokenizer.padToken == 0)
    #expect(tokenizer.encode("hello!") == [49406, 3306, 0, 49407, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(tokenizer.tokens(in: "a  <CAT-toy> b") == [320, 49408, 321])
    #expect(tokenizer.tokens(in: "a <dog> b<DOG>") == [320, 49409, 321, 283, 1929, 285])
    #expect(tokenizer.tokens(in: "FOX foxes, fox") == [5007, 24145, 267, 5007])
  }

  /// Where the Unicode versions of the reference's parts show, and where Foundation's NFC goes wrong. Ids
  /// by the genuine tokenizer.
  @Test func unicodeIsThatOfTheReference() throws {
    let tokenizer = try RealFolder().tokenizer()
    let marks = String(repeating: "\u{301}\u{316}", count: 20)
    var sorted: [Int32] = [4166]
    for _ in 0..<20 { sorted += [136, 244] }
    for _ in 0..<18 { sorted += [136, 223] }
    sorted += [136, 479, 343]
    let cases: [(text: String, ids: [Int32])] = [
      ("a\u{a7ce}b 9\u{11de0}", [320, 166, 253, 493, 321, 280, 172, 239, 115, 510]),
      ("\u{10433}\u{301}", [172, 238, 238, 367, 136, 479]),
      ("e\u{8d2}\u{301} e\u{316}\u{301}", [324, 156, 96, 240, 136, 479, 4166, 136, 500]),
      ("\u{f73}\u{334}\u{344}", [136, 112, 39219, 109, 39219, 110, 136, 230, 136, 479]),
      ("\u{1100}\u{1161}\u{11a8}\u{11a8} \u{ac00}\u{11a8}", [21122, 223, 157, 228, 357, 21122, 479]),
      ("\u{958} \u{212b} \u{2126}\u{345}\u{301}", [22067, 3124, 376, 127, 354, 139, 492, 137, 483]),
      ("\u{1d15e}\u{11938}", [6874, 227, 245, 6874, 227, 98, 172, 239, 97, 372]),
      ("e\(marks)x", sorted),
    ]
    for one in cases { #expect(tokenizer.tokens(in: one.text) == one.ids, "\(one.text.debugDescription)") }
  }

  /// In quadratic time these would take days, and `scripts/test` ends the run after an hour. They are shorter where
  /// nothing is optimized.
  @Test func longTextsTakeTheirLength() throws {
    let tokenizer = try RealFolder().tokenizer()
    let scale = ProcessInfo.processInfo.environment["SEGMOE_SANITIZER"] == nil ? 40 : 1
    let texts = [
      String(repeating: "a", count: scale * 100_000),
      "e" + String(repeating: "\u{301}\u{316}", count: scale * 50_000),
      String(repeating: "<|startoftext|", count: scale * 7_000),
    ]
    for text in texts { #expect(!tokenizer.tokens(in: text).isEmpty) }
  }

  @Test func damagedFilesAreNamed() throws {
    let folder = try RealFolder()
    let damages: [(file: String, content: String)] = [
      ("merges.txt", "#version: 0.2\ni n\nth\n"), ("merges.txt", "no where\n"), ("vocab.json", "[]"),
      ("vocab.json", #"{"a": -1}"#), ("vocab.json", #"{"a": 1.5}"#), ("vocab.json", "{"),
      ("tokenizer_config.json", #"{"pad_token": 3, "added_tokens_decoder": {}}"#),
      (
        "tokenizer_config.json",
        #"{"pad_token": "<none>", "added_tokens_decoder": {}, "model_max_length": 1}"#
      ),
    ]
    for damage in damages {
      let file = folder.url.appendingPathComponent(damage.file)
      let whole = try Data(contentsOf: file)
      try Data(damage.content.utf8).write(to: file)
      let error = #expect(throws: CheckpointError.self) { try folder.tokenizer() }
      #expect(error?.description.contains(folder.url.path) == true, "\(String(describing: error))")
      try whole.write(to: file)
    }
    _ = try folder.tokenizer()
  }
}
