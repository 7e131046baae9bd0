import Images
import JobStore
import Requests
import TestSupport
import Testing

/// Variations of one picture, through the queue.
@Suite struct VariationJobTests {
  /// The pictures of a job have its seed and one variation seed after the other, and say so.
  @Test func picturesCountOnInVariationSeeds() throws {
    let house = try DaemonHouse()
    let together = try house.enqueue {
      ($0.seed, $0.variationSeed, $0.variationStrength, $0.count) = (5, 8, 0.5, 2)
    }
    let alone = try house.enqueue { ($0.seed, $0.variationSeed, $0.variationStrength) = (5, 9, 0.5) }
    let plain = try house.enqueue { ($0.seed, $0.variationSeed) = (5, 9) }
    let seeds = try house.client.details(job: together).summary.images.map(\.seed)
    #expect(seeds == [5, 5])
    try house.worker().run()
    let pictures = try house.pictures([together, alone, plain])
    #expect(pictures[0].count == 2 && pictures[0][0] != pictures[0][1])
    #expect(pictures[0][1] == pictures[1][0])
    #expect(pictures[1][0] != pictures[2][0])
    let details = try house.client.details(job: together)
    #expect(details.images.map(\.seed) == [5, 5])
    let file = try PNGFile.read(try #require(details.images.last).path)
    let texts = Dictionary(uniqueKeysWithValues: file.texts.map { ($0.keyword, $0.text) })
    let settings = A1111Reader(try #require(texts["parameters"])).settings
    #expect(settings["Seed"] == "5" && settings["Variation seed"] == "9")
    #expect(settings["Variation seed strength"] == "0.5")
    let json = try #require(texts["segmoe"])
    #expect(json.contains("\"variation_seed\":9") && json.contains("\"variation_strength\":0.5"))
    let other = try PNGFile.read(try #require(house.client.details(job: plain).images.first).path)
    #expect(!other.texts.contains { $0.text.contains("Variation seed") })
  }
}
