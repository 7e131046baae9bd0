import Foundation
import Merging
import Requests
import Synchronization
import Tensors
import TestSupport
import Testing

/// Merges that begin before all their sources are here.
@Suite struct ArrivalTests {
  private struct NeverComes: Error {}

  /// Sources of which one comes later, or never.
  private final class Late: SourceArrivals {
    private let late: String
    private let condition = NSCondition()
    private nonisolated(unsafe) var outcome: Result<Void, any Error>?
    let asked = Mutex<[String]>([])

    init(_ late: String) { self.late = late }

    func end(_ result: Result<Void, any Error>) {
      condition.withLock {
        outcome = result
        condition.broadcast()
      }
    }

    func path(of source: Recipe.Source) throws -> String {
      asked.withLock { $0.append(source.written) }
      guard source.written == late else { return source.path }
      let limit = Patience.end
      return try condition.withLock {
        while outcome == nil {
          guard condition.wait(until: limit) else { throw NeverComes() }
        }
        try outcome?.get()
        return source.path
      }
    }

    func isHere(_ source: Recipe.Source) -> Bool {
      source.written != late || condition.withLock { outcome != nil }
    }
  }

  private static let text = """
    base_model: \(Places.golden("model/base"))
    num_experts_per_tok: 1
    type: sd
    experts:
      - {source_model: \(Places.golden("model/base")), positive_prompt: a, negative_prompt: b}
      - {source_model: SECOND, positive_prompt: c, negative_prompt: d}
    """

  /// - Returns: a folder with the merged model in `out`.
  private func merge(
    _ second: String, _ arrivals: (String) -> any SourceArrivals,
    _ report: (MergeProgress) throws -> Void
  ) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let recipe = try Recipe(parsing: Self.text.replacing("SECOND", with: second), file: folder.file("c.yaml"))
    try Merger(
      recipe, gates: GateSettings(steps: 2, size: PixelSize(width: 64, height: 64)),
      compute: Compute(threads: 1), arrivals: arrivals(second)
    ).merge(into: folder.file("out"), report: report)
    return folder
  }

  /// The second expert comes only when the gates of the first are under way: a merge that waited for all would wait for
  /// ever. What is made is the same.
  @Test func gatesOfTheFirstAreComputedWhileTheSecondComes() throws {
    let folder = try TemporaryFolder()
    let second = try folder.copy(Places.golden("model/base"), to: "second")
    let late = Late(second)
    let made = try merge(second, { _ in late }) { progress in
      if case .gates(expert: 0, count: 2, step: 1, steps: 2) = progress { late.end(.success(())) }
    }
    let whole = try merge(second, { _ in LocalSources() }) { _ in }
    let file = "out/unet/diffusion_pytorch_model.safetensors"
    #expect(
      FileManager.default.contents(atPath: made.file(file))
        == FileManager.default.contents(atPath: whole.file(file)))
  }

  /// Sources that lie elsewhere than the recipe says, as those of a hub do.
  private struct Placed: SourceArrivals {
    let places: [String: String]

    func path(of source: Recipe.Source) throws -> String { try #require(places[source.written]) }

    func isHere(_ source: Recipe.Source) -> Bool { true }
  }

  /// Base, experts and LoRAs are read where they came, each where the recipe names it: cards give what paths give.
  @Test func eachSourceIsReadWhereItCame() throws {
    let folder = try TemporaryFolder()
    try GoldenParts.assemble("expert-a", at: folder.file("expert"), as: .copies)
    let lora = Places.golden("families/lora.safetensors")
    let places = [
      "cards/base": Places.golden("model/base"), "cards/expert": folder.file("expert"),
      "cards/lora-of-base": lora, "cards/lora-of-expert": lora,
    ]
    let cards = """
      base_model: cards/base
      type: sd
      init: random
      loras: [{source_model: cards/lora-of-base, weight: 0.5}]
      experts:
        - {source_model: cards/base, positive_prompt: a, negative_prompt: b}
        - source_model: cards/expert
          positive_prompt: c
          negative_prompt: d
          loras: [{source_model: cards/lora-of-expert, weight: 0.8}]
      """
    let paths = places.reduce(cards) { $0.replacing($1.key, with: $1.value) }
    let merges: [(name: String, text: String, arrivals: any SourceArrivals)] = [
      ("of-cards", cards, Placed(places: places)), ("of-paths", paths, LocalSources()),
    ]
    for (name, text, arrivals) in merges {
      let recipe = try Recipe(parsing: text, file: folder.file("c.yaml"))
      try Merger(recipe, gates: GateSettings(), compute: Compute(threads: 1), arrivals: arrivals)
        .merge(into: folder.file(name))
    }
    for file in ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"] {
      let made = try #require(FileManager.default.contents(atPath: folder.file("of-cards/" + file)))
      #expect(made == FileManager.default.contents(atPath: folder.file("of-paths/" + file)), "\(file)")
    }
  }

  /// Why a source never comes is said as it is, not as a fault of the expert; nothing is left.
  @Test func whySomethingNeverComesIsSaid() throws {
    let second = try TemporaryFolder()
    let late = Late(second.path)
    #expect(throws: NeverComes.self) {
      try merge(second.path, { _ in late }) { _ in late.end(.failure(NeverComes())) }
    }
    // And what the report throws, while gates are computed.
    #expect(throws: NeverComes.self) {
      try merge(Places.golden("model/base"), { _ in LocalSources() }) { _ in throw NeverComes() }
    }
  }
}
