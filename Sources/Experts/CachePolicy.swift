/// Which part leaves when another needs its room.
package enum CachePolicy: String, Sendable, CaseIterable {
  /// The one unused for the longest time. For what comes by in a circle, as the layers of a step do, it is
  /// the worst there is: each part leaves just before it is needed again.
  case lru
  /// The one whose next use is the farthest, by the order of the last step (Belady's rule, with the routing
  /// of the last step for a forecast).
  case nextUse = "next-use"
  /// The one that came last: what fits first stays.
  case pinFirst = "pin-first"
}

/// In which order parts are expected to be used: those of the phase at work, then those of a denoising step,
/// over and over.
struct Forecast: Sendable {
  private var lead: [PartKey: Int] = [:]
  private var leadCount = 0
  private var cycle: [PartKey: Int] = [:]
  private var cycleCount = 0
  /// Uses of the lead, then of the cycle, that have gone by.
  private(set) var position = 0

  /// What comes before the next step begins.
  mutating func begin(lead keys: [PartKey]) {
    lead = Self.places(keys)
    leadCount = keys.count
    position = 0
  }

  /// What a step uses.
  mutating func setCycle(_ keys: [PartKey]) {
    cycle = Self.places(keys)
    cycleCount = keys.count
  }

  /// A part is used now.
  mutating func use(_ key: PartKey) {
    if let place = lead[key], position <= place {
      position = place + 1
    } else if let place = cycle[key] {
      position = leadCount + place + 1
    }
  }

  /// Uses that come before the next one of `key`; nil if none is known.
  func distance(to key: PartKey) -> Int? {
    if let place = lead[key], place >= position { return place - position }
    guard let place = cycle[key] else { return nil }
    let ahead = leadCount + place - position
    return ahead >= 0 ? ahead : ahead + cycleCount
  }

  private static func places(_ keys: [PartKey]) -> [PartKey: Int] {
    Dictionary(keys.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
  }
}
