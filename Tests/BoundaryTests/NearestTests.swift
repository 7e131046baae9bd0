import Boundary
import Testing

/// The known word that somebody meant.
@Suite struct NearestTests {
  @Test func distanceCountsSwapsAsOne() {
    #expect(Nearest.distance(Array("sdlx"), Array("sdxl")) == 1)
    #expect(Nearest.distance(Array(""), Array("abc")) == 3)
    #expect(Nearest.distance(Array("kitten"), Array("sitting")) == 3)
    #expect(Nearest.nearest(String(repeating: "x", count: 10_000), among: ["x"]) == nil)
  }
}
