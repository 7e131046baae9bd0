import Testing
import WeightCache

/// What is expected next, and how sure that is.
@Suite struct ForecastTests {
  /// Parts of one byte that are expected.
  private static func expected(_ keys: [PartKey]) -> [Forecast.Use] {
    keys.map { Forecast.Use(key: $0, byteCount: 1) }
  }

  @Test func distancesGoRound() {
    var forecast = Forecast()
    let keys = (0..<4).map { PartKey(model: "m", path: "\($0)") }
    let text = PartKey(model: "m", path: "text")
    forecast.setCycle(Self.expected(keys))
    forecast.begin(lead: Self.expected([text]))
    #expect(forecast.distance(to: text) == 0 && forecast.distance(to: keys[0]) == 1)
    forecast.use(text, byteCount: 1)
    // Once the lead is over its parts are not expected again.
    #expect(forecast.distance(to: text) == nil)
    forecast.use(keys[1], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [2, 3, 0, 1])
    #expect(forecast.distance(to: PartKey(model: "other", path: "0")) == nil)
  }

  /// A part that several images use in turn is needed at once until the last of them has used it.
  @Test func usesOfSeveralImagesAreCounted() {
    var forecast = Forecast()
    let keys = (0..<3).map { PartKey(model: "m", path: "\($0)") }
    forecast.setCycle(Self.expected([0, 0, 1, 2, 1, 2].map { keys[$0] }))
    forecast.begin(lead: [])
    forecast.use(keys[0], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [0, 1, 2])
    forecast.use(keys[0], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [4, 0, 1])
    forecast.use(keys[1], byteCount: 1)
    forecast.use(keys[2], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [2, 0, 1])
    forecast.use(keys[1], byteCount: 1)
    forecast.use(keys[2], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [0, 2, 3])
  }

  /// Where a layer takes another expert than the last time, that one is expected; the order in which the chosen
  /// come does not matter.
  @Test func routingIsLearnedAsItGoesBy() throws {
    func expert(_ layer: String, _ number: Int) -> PartKey {
      PartKey(model: "m", path: "\(layer).experts.\(number).weight")
    }
    let dense = PartKey(model: "m", path: "dense")
    var forecast = Forecast()
    forecast.setCycle(
      Self.expected([expert("a", 0), expert("a", 1), dense, expert("b", 0), expert("b", 1)]))
    forecast.begin(lead: [])
    forecast.use(expert("a", 2), byteCount: 1)
    // The first choice of the last time may still be the second one now.
    #expect(forecast.distance(to: expert("a", 0)) == 0)
    #expect(forecast.distance(to: expert("a", 1)) == nil)
    forecast.use(expert("a", 0), byteCount: 1)
    forecast.use(dense, byteCount: 1)
    // The other way round than expected.
    forecast.use(expert("b", 1), byteCount: 1)
    #expect(forecast.distance(to: expert("b", 0)) == 0)
    forecast.use(expert("b", 0), byteCount: 1)
    forecast.begin(lead: [])
    let keys = [expert("a", 2), expert("a", 0), dense, expert("b", 1), expert("b", 0)]
    // Second choices: one was dropped, three came again, all a step ago; of first ones nothing is known.
    let (first, second) = (0.8, (0.5 * 3 + 0.55) / (0.5 * 4 + 1))
    let expected = [0, 1 / second, 2, 3 / first, 4 / second]
    for (key, expected) in zip(keys, expected) {
      #expect(abs(try #require(forecast.distance(to: key)) - expected) < 1e-9)
    }
    #expect((0..<forecast.count).map { forecast.upcoming($0).key } == keys)
  }

  /// What a router has changed of late counts as used later than what it has chosen again, and that as later than
  /// what is certain; rank by rank, and a few steps later the other way round if it is so.
  @Test func whatChangesIsLessSure() throws {
    func expert(_ layer: Int, _ number: Int) -> PartKey {
      PartKey(model: "m", path: "\(layer).experts.\(number).weight")
    }
    func step(_ forecast: inout Forecast, _ chosen: (Int) -> [Int]) {
      forecast.begin(lead: [])
      for layer in 0..<10 {
        for number in chosen(layer) { forecast.use(expert(layer, number), byteCount: 1) }
      }
    }
    let dense = PartKey(model: "m", path: "dense")
    var forecast = Forecast()
    forecast.setCycle(
      Self.expected((0..<10).flatMap { [expert($0, 0), expert($0, 1)] } + [dense]))
    step(&forecast) { [0, 2 + $0 % 2] }
    step(&forecast) { [0, $0 % 2 == 0 ? 1 : 2] }
    let (first, second) = try #require(
      forecast.distance(to: expert(9, 0)).flatMap { first in
        forecast.distance(to: expert(9, 2)).map { (first, $0) }
      })
    // A round has 21 uses; the last layer's come after 20 and 21 of them.
    #expect(first >= 19 && first < 21 && second > 60)
    #expect(forecast.distance(to: dense) == 0)
    for _ in 0..<4 { step(&forecast) { [$0 % 2 == 0 ? 3 : 0, 2] } }
    let later = try #require(forecast.distance(to: expert(9, 2)))
    #expect(later >= 20 && later < 26)
  }

  /// Without any forecast a circle is what has been seen so far: what was used last is needed last.
  @Test func theFirstRoundIsLearned() {
    var forecast = Forecast()
    let keys = (0..<3).map { PartKey(model: "m", path: "\($0)") }
    for key in keys { forecast.use(key, byteCount: 1) }
    #expect(keys.map { forecast.distance(to: $0) } == [0, 1, 2])
  }
}
