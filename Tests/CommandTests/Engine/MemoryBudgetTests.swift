import Foundation
import TestSupport
import Testing

/// Renders under memory budgets, looked at from outside: what the kernel says that they took, and the bytes of
/// the files. A sanitizer's own memory would count.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["SEGMOE_SANITIZER"] == nil))
struct MemoryBudgetTests {
  /// A golden mixture in a folder of its own.
  private final class House {
    private let place: TemporaryFolder
    var folder: String { place.path }
    var model: String { place.file("model") }
    var picture: String { place.file("picture.png") }

    init() throws {
      place = try TemporaryFolder()
      try GoldenParts.assemble("all-3x2", at: place.file("model"), as: .copies)
    }

    func render(_ arguments: [String], budget: String? = nil) throws -> MeasuredRun {
      try? FileManager.default.removeItem(atPath: picture)
      return try MeasuredRun(
        ["render", model, "--prompt", "a cat", "--force", "--output", picture] + arguments
          + (budget.map { ["--memory-budget", $0] } ?? []))
    }

    /// Bytes of all pictures that are there.
    func pictures() throws -> [Data] {
      try place.names.filter { $0.hasSuffix(".png") }
        .map { try Data(contentsOf: URL(fileURLWithPath: place.file($0))) }
    }
  }

  /// What a refusal says would do, in MiB.
  private func smallest(_ run: MeasuredRun) throws -> Int {
    #expect(run.code == 64, "\(run.errors)")
    let found = run.errors.firstMatch(of: /smallest that would do is (\d+) MiB/)
    return try #require(found.flatMap { Int($0.1) })
  }

  /// The budget that a refusal names does, whatever is rendered; what the kernel counts stays below it; and the
  /// files are those of no budget.
  @Test(arguments: [
    ["--width", "136", "--height", "72", "--steps", "3", "--precision", "f32"],
    ["--width", "512", "--height", "320", "--steps", "2", "--precision", "bf16"],
    ["--width", "264", "--height", "512", "--steps", "2", "--precision", "int8"],
    ["--width", "128", "--height", "128", "--steps", "2", "--count", "2", "--cache-policy", "lru"],
    ["--width", "128", "--height", "64", "--steps", "3", "--guidance", "1", "--cache-policy", "pin-first"],
    [
      "--width", "320", "--height", "320", "--steps", "4", "--strength", "0.6", "--init-image",
      Places.golden("images/picture.png"), "--mask", Places.golden("images/mask.png"),
    ],
    [
      "--width", "64", "--height", "64", "--steps", "2", "--lora",
      Places.golden("families/lora.safetensors"),
    ],
  ]) func theSmallestBudgetDoes(arguments: [String]) throws {
    let house = try House()
    let free = try house.render(arguments)
    #expect(free.code == 0, "\(free.errors)")
    let wanted = try house.pictures()
    #expect(!wanted.isEmpty)
    let refused = try house.render(arguments, budget: "16MiB")
    #expect(!FileManager.default.fileExists(atPath: house.picture))
    let smallest = try smallest(refused)
    for budget in [smallest, smallest + 1, smallest + 20] {
      let run = try house.render(arguments, budget: "\(budget)MiB")
      #expect(run.code == 0, "\(budget) MiB: \(run.errors)")
      #expect(try #require(run.peakMebibytes) <= budget, "of \(budget) MiB")
      #expect(try house.pictures() == wanted, "\(budget) MiB")
    }
  }

  /// A picture that was decoded in tiles says so, and neither threads nor the rest of the memory decide on them.
  @Test func tilesAreNamed() throws {
    let house = try House()
    let arguments = [
      "--width", "768", "--height", "768", "--steps", "1", "--guidance", "1", "--precision", "f32",
    ]
    let two = ["--threads", "2"]
    func picture(_ more: [String] = [], budget: String?) throws -> Data {
      let run = try house.render(arguments + more, budget: budget)
      #expect(run.code == 0, "\(budget ?? "no budget"): \(run.errors)")
      if let limit = budget.flatMap({ Int($0.dropLast(3)) }) {
        #expect(try #require(run.peakMebibytes) <= limit, "of \(limit) MiB")
      }
      return try Data(contentsOf: URL(fileURLWithPath: house.picture))
    }
    func tile(_ picture: Data) -> String? {
      let text = String(decoding: picture, as: UTF8.self)
      let (json, line) = (
        text.firstMatch(of: /"decoder_tile":(\d+)/), text.firstMatch(of: /Decoder tile: (\d+)/)
      )
      #expect(json?.1 == line?.1)
      return json.map { String($0.1) }
    }
    let smallest = try smallest(house.render(arguments + two, budget: "16MiB"))
    let small = try picture(two, budget: "\(smallest)MiB")
    #expect(tile(small) == "48")
    for threads in ["1", "3"] {
      #expect(
        try picture(["--threads", threads], budget: "\(smallest + 60)MiB") == small, "\(threads) threads")
    }
    let larger = try picture(budget: "535MiB")
    #expect(tile(larger) != nil && tile(larger) != "48" && larger != small)
    let whole = try picture(budget: "2000MiB")
    #expect(tile(whole) == nil && whole != larger)
    // Whatever is left of the machine: there may be too little for it, but it is not cut.
    let free = try house.render(arguments, budget: nil)
    if free.code == 0 { #expect(try Data(contentsOf: URL(fileURLWithPath: house.picture)) == whole) }
    #expect(free.code == 0 || free.code == 69, "\(free.errors)")
  }

  /// Texts of a picture that nobody reads are not unpacked: here they would take 256 MiB.
  @Test func textsThatUnpackToMuchTakeNothing() throws {
    let house = try House()
    let source = house.folder + "/bomb.source"
    let bomb = PNGBomb.file(edge: 64, texts: 64)
    #expect(bomb.count < 2 << 20)
    try bomb.write(to: URL(fileURLWithPath: source))
    let arguments = ["--width", "64", "--height", "64", "--steps", "2", "--init-image", source]
    let smallest = try smallest(house.render(arguments, budget: "16MiB"))
    let run = try house.render(arguments, budget: "\(smallest)MiB")
    #expect(run.code == 0, "\(run.errors)")
    #expect(try #require(run.peakMebibytes) <= smallest)
  }

  /// A header larger than the budget is refused before it is parsed.
  @Test func largeHeadersCount() throws {
    let house = try House()
    let lora = house.folder + "/padded.safetensors"
    try Data(safetensors(headerBytes: 60 << 20)).write(to: URL(fileURLWithPath: lora))
    let run = try house.render(["--width", "64", "--height", "64", "--lora", lora], budget: "250MiB")
    #expect(run.code == 64 && run.errors.contains("memory budget of 250 MiB"), "\(run.errors)")
  }
}
