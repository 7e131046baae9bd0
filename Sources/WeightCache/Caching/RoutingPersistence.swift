/// How often a router chooses the same expert as in the step before, by rank. A first choice stays more often than a
/// second one. Choices change much in early steps and little in late ones, so old observations count little.
struct RoutingPersistence: Sendable {
  private var stayed: [Double] = []
  private var seen: [Double] = []

  /// Notes whether the choice of a rank, from 0, was the same as in the step before.
  mutating func note(rank: Int, stayed hasStayed: Bool) {
    while seen.count <= rank {
      seen.append(0)
      stayed.append(0)
    }
    seen[rank] += 1
    stayed[rank] += hasStayed ? 1 : 0
  }

  /// Lowers the weight of past observations, as another step or lead begins.
  mutating func fade() {
    for rank in seen.indices {
      seen[rank] *= Self.lasting
      stayed[rank] *= Self.lasting
    }
  }

  /// The probability that a rank's choice stays, above 0 and at most 1.
  func share(rank: Int) -> Double {
    let known = rank < seen.count ? (stayed[rank], seen[rank]) : (0, 0)
    return (known.0 + (rank == 0 ? Self.first : Self.further)) / (known.1 + 1)
  }

  // The estimate without observations, found by trial on recorded renders. It counts as one observation.
  private static let first = 0.8
  private static let further = 0.55
  /// The factor of earlier observations after each step.
  private static let lasting = 0.5
}
