import Foundation
import TestSupport
import Testing

/// Small files that claim or unfold to much, one of every kind that a render reads. The kernel bounds what the program
/// may take: a render of an ordinary model has just enough, and so must have a hostile one. It ends with a picture or
/// with an error about the file or the budget, never because the system refused memory.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["SEGMOE_SANITIZER"] == nil))
final class HostileFileTests {
  private let place: TemporaryFolder
  private var folder: String { place.path }
  private var model: String { place.file("model") }

  init() throws {
    place = try TemporaryFolder()
    try GoldenParts.assemble("base", at: place.file("model"), as: .copies)
  }

  /// The memory budget in MiB, and the KiB that a process may have for its data at all: room for the budget, for the
  /// reserve of addresses that takes no memory, and for little besides.
  #if DEBUG
    private static let (budget, data) = (200, 560_000)
  #else
    private static let (budget, data) = (200, 440_000)
  #endif

  private func render(_ arguments: [String], data: Int = data) throws -> Outcome {
    try Outcome(
      of: "/bin/sh",
      ["-c", "ulimit -d \(data) && exec \"$@\"", "sh", Places.program("segmoe"), "render", model] + [
        "--prompt", "a", "--width", "64", "--height", "64", "--steps", "2", "--threads", "1", "--quiet",
        "--memory-budget", "\(Self.budget)MiB", "--output", place.file("picture.png"), "--force",
      ] + arguments)
  }

  /// 0: a picture; 64: the budget; 65 and 66: the file.
  private func expectAnswer(
    _ arguments: [String] = [], codes: Set<Int32> = [64, 65, 66], _ name: String,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let run = try render(arguments)
    #expect(codes.contains(run.code), "\(name): \(run.code) \(run.errors)", sourceLocation: location)
    #expect(run.code == 0 || !run.errors.isEmpty, "\(name)", sourceLocation: location)
    guard let peak = run.errors.firstMatch(of: /peak (\d+) MiB/).flatMap({ Int($0.1) }) else { return }
    #expect(peak <= Self.budget, "\(name)", sourceLocation: location)
  }

  @discardableResult private func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    try place.write(name, bytes)
  }

  private func write(_ name: String, _ text: String) throws -> String { try place.write(name, text) }

  private func repeated(_ text: String, bytes: Int, start: String = "", end: String = "") -> [UInt8] {
    let piece = Array(text.utf8)
    return Array(start.utf8) + Array([[UInt8]](repeating: piece, count: bytes / piece.count).joined())
      + Array(end.utf8)
  }

  private static func safetensors(_ header: [UInt8]) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init) + header
  }

  /// A header of so many empty tensors, each of some 60 bytes.
  private func manyTensors(_ count: Int, named name: String) -> [UInt8] {
    let entries = (0..<count).map {
      "\"\(name.replacing("#", with: "\($0)"))\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"
    }
    return Self.safetensors(Array("{\(entries.joined(separator: ","))}".utf8))
  }

  /// A file whose tensors are a hole: it takes no room on the disk.
  private func hollow(_ name: String, _ tensors: [(String, [Int])]) throws -> String {
    var (entries, size) = ([String](), 0)
    for (name, shape) in tensors {
      let end = size + 4 * shape.reduce(1, *)
      entries.append("\"\(name)\":{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":[\(size),\(end)]}")
      size = end
    }
    let head = Self.safetensors(Array("{\(entries.joined(separator: ","))}".utf8))
    let path = try write(name, head)
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try file.truncate(atOffset: UInt64(head.count + size))
    try file.close()
    return path
  }

  @Test func anOrdinaryRenderHasJustEnough() throws {
    try expectAnswer(codes: [0], "ordinary")
    // With a third less it has not.
    #expect(try render([], data: Self.data / 3 * 2).code == 69)
    let lora = Places.golden("families/lora.safetensors")
    try expectAnswer(
      ["--lora", lora, "--embedding", Places.golden("prompts/toy.safetensors")], codes: [0], "extras")
  }

  @Test func headersOfWeights() throws {
    try expectAnswer(
      ["--lora", write("padded.safetensors", Self.safetensors(repeated(" ", bytes: 60 << 20)))], "padding")
    try expectAnswer(
      ["--lora", write("many.safetensors", manyTensors(200_000, named: "t#"))], "tensors of a LoRA")
    // Just what is counted for no file: it must fit the margin.
    try expectAnswer(
      ["--lora", write("some.safetensors", manyTensors(60_000, named: "unet.t#.lora_A.weight"))],
      "a few tensors")
    try expectAnswer(["--vae", write("vae.safetensors", manyTensors(60_000, named: "decoder.#"))], "a VAE's")
    let huge = withUnsafeBytes(of: UInt64.max.littleEndian, Array.init) + Array("{}".utf8)
    try expectAnswer(["--lora", write("huge.safetensors", huge)], "a length")
    let notes = repeated("\\u0041", bytes: 8 << 20, start: "{\"__metadata__\":{\"a\":\"", end: "\"}}")
    try expectAnswer(["--lora", write("notes.safetensors", Self.safetensors(notes))], "notes")
  }

  @Test func factorsOfLoRAs() throws {
    let layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    try expectAnswer(
      [
        "--lora",
        hollow(
          "rank.safetensors",
          [(layer + ".lora_A.weight", [200_000, 16]), (layer + ".lora_B.weight", [16, 200_000])]
            + (0..<64).map { ("\(layer).\($0).lora_A.weight", [4096, 1024]) }),
      ], "a rank")
    try expectAnswer(
      ["--lora", hollow("boft.safetensors", [(layer + ".oft_blocks", [64, 8, 2048, 2048])])], "rotations")
    try expectAnswer(
      ["--lora", hollow("diff.safetensors", [(layer + ".diff", [1 << 28])])], "a difference")
  }

  @Test func embeddings() throws {
    let padded = Self.safetensors(repeated(" ", bytes: 3 << 20, start: "{", end: "}"))
    try expectAnswer(["--embedding", write("e.safetensors", padded)], "a header")
    try expectAnswer(["--embedding", hollow("rows.safetensors", [("emb_params", [1 << 20, 1280])])], "rows")
    try expectAnswer(["--embedding", hollow("wide.safetensors", [("<w>", [75, 1 << 24])])], "widths")
    // As many as a job may name, each as large as one may be.
    let word = try hollow("word.safetensors", [("emb_params", [75, 8192])])
    try expectAnswer((0..<16).flatMap { ["--embedding", "\(word):w\($0)"] }, codes: [0, 64, 65], "many")
  }

  @Test(arguments: [
    "unet/config.json", "scheduler/scheduler_config.json", "model_index.json",
    "tokenizer/special_tokens_map.json", "unet/diffusion_pytorch_model.safetensors.index.json",
  ]) func configurations(name: String) throws {
    for (piece, start, end, sizes) in [
      ("{\"\":0},", "{\"a\":[", "0]}", [1 << 20, 15 << 20]), ("0,", "{\"a\":[", "0]}", [1 << 20]),
      ("\\u0041", "{\"a\":\"", "\"}", [1 << 20]),
    ] {
      for bytes in sizes {
        try write("model/\(name)", repeated(piece, bytes: bytes, start: start, end: end))
        try expectAnswer(codes: [0, 64, 65, 66], "\(name): \(bytes) bytes of \(piece)")
      }
    }
  }

  @Test func vocabularies() throws {
    let vocabulary = (0..<600_000).map { "\"\($0)\":\($0)" }.joined(separator: ",")
    for (name, text) in [
      ("vocab.json", "{\(vocabulary)}"), ("tokenizer.json", "{\"model\":{\"vocab\":{\(vocabulary)}}}"),
      ("merges.txt", String(repeating: "a b\n", count: 1 << 20)),
      ("merges.txt", String(repeating: "a b\n", count: 15 << 18)),
      (
        "tokenizer_config.json",
        "{\"additional_special_tokens\":[\((0..<60_000).map { "\"<\($0)>\"" }.joined(separator: ","))]}"
      ),
    ] {
      try FileManager.default.removeItem(atPath: model + "/tokenizer")
      try FileManager.default.copyItem(
        atPath: Places.golden("model/base/tokenizer"), toPath: model + "/tokenizer")
      _ = try write("model/tokenizer/\(name)", text)
      try expectAnswer(codes: [0, 64, 65, 66], "\(name) of \(text.utf8.count) bytes")
    }
  }

  @Test func packedFiles() throws {
    func number(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }
    let start = Array("GGUF".utf8) + [3, 0, 0, 0]
    let entry = number(1) + Array("t".utf8) + [1, 0, 0, 0] + number(1) + [0, 0, 0, 0] + number(0)
    let tensors =
      start + number(400_000) + number(0) + Array([[UInt8]](repeating: entry, count: 400_000).joined())
    var notes = start + number(0) + number(300_000)
    for place in 100_000..<400_000 {
      notes += number(6) + Array("\(place)".utf8) + [8, 0, 0, 0] + number(0)
    }
    let folder = model + "/unet/"
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name != "config.json" {
      try FileManager.default.removeItem(atPath: folder + name)
    }
    for (name, bytes) in [
      ("claims", start + number(1 << 60) + number(1 << 60)),
      ("tensors", tensors),
      ("notes", notes),
      ("text", start + number(0) + number(1) + number(1) + Array("a".utf8) + [8, 0, 0, 0] + number(1 << 40)),
      (
        "list",
        start + number(0) + number(1) + number(1) + Array("a".utf8) + [9, 0, 0, 0, 8, 0, 0, 0]
          + number(1 << 40)
      ),
    ] {
      try write("model/unet/unet.gguf", bytes)
      try expectAnswer([], name)
    }
  }

  @Test func pictures() throws {
    let source = try write("bomb.png", PNGBomb.file(edge: 64, texts: 64))
    try expectAnswer(["--init-image", source], codes: [0], "texts")
    // A file of a hundred kilobytes whose pixels are 96 MiB, twice while they are resized.
    let wide = try write("wide.png", PNGBomb.blank(width: 16_384, height: 2048))
    try expectAnswer(["--init-image", wide], codes: [64], "pixels")
    try expectAnswer(["--init-image", source, "--mask", wide], codes: [64], "a mask's")
    let impossible = try write("impossible.png", PNGBomb.blank(width: 1 << 30, height: 1 << 30, rows: 1))
    try expectAnswer(["--init-image", impossible], "a size")
  }
}
