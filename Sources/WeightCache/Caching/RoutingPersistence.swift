/// How often a router has chosen again what it chose a step before, by rank: what it gives most weight stays more
/// often than what it gives least. Early steps change much, late ones little, so what is long past counts little.
struct RoutingPersistence: Sendable {
  private var stayed: [Double] = []
  private var seen: [Double] = []

  /// Notes that the choice of a rank, from 0, came again or did not.
  mutating func note(rank: Int, stayed hasStayed: Bool) {
    while seen.count <= rank {
      seen.append(0)
      stayed.append(0)
    }
    seen[rank] += 1
    stayed[rank] += hasStayed ? 1 : 0
  }

  /// Another step, or what comes before one, begins.
  mutating func fade() {
    for rank in seen.indices {
      seen[rank] *= Self.lasting
      stayed[rank] *= Self.lasting
    }
  }

  /// The share of a rank's choices that come again, above 0, at most 1.
  func share(rank: Int) -> Double {
    let known = rank < seen.count ? (stayed[rank], seen[rank]) : (0, 0)
    return (known.0 + (rank == 0 ? Self.first : Self.further)) / (known.1 + 1)
  }

  // By trial on recorded renders, as one choice that has been seen before any other.
  private static let first = 0.8
  private static let further = 0.55
  /// What a step leaves of what was noted before it.
  private static let lasting = 0.5
}
