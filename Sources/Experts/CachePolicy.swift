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
  /// At which places a part is used, ascending: a step of several images uses each part once for every image.
  private var lead: [PartKey: [Int]] = [:]
  private var leadCount = 0
  private var cycle: [PartKey: [Int]] = [:]
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
    if let place = Self.next(lead[key], from: position) {
      position = place + 1
    } else if let places = cycle[key], let first = places.first {
      position = leadCount + (Self.next(places, from: position - leadCount) ?? first) + 1
    }
  }

  /// Uses that come before the next one of `key`; nil if none is known.
  func distance(to key: PartKey) -> Int? {
    if let place = Self.next(lead[key], from: position) { return place - position }
    guard let places = cycle[key], let first = places.first else { return nil }
    if let place = Self.next(places, from: position - leadCount) { return leadCount + place - position }
    return leadCount + first + cycleCount - position
  }

  /// The first of ascending places that is not before `start`.
  private static func next(_ places: [Int]?, from start: Int) -> Int? {
    guard let places, let last = places.last, last >= start else { return nil }
    var (low, high) = (0, places.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if places[middle] < start { low = middle + 1 } else { high = middle }
    }
    return places[low]
  }

  private static func places(_ keys: [PartKey]) -> [PartKey: [Int]] {
    Dictionary(grouping: keys.indices) { keys[$0] }
  }
}
