/// In which order parts are expected to be used: those of the phase at work, then those of a denoising step,
/// over and over.
///
/// What a step uses is learned as it goes by: where a layer is routed to another expert than the last time,
/// that one is expected from then on, not only from the next step on. How sure that is is learned as well
/// (`RoutingPersistence`).
struct Forecast: Sendable {
  /// A use that is expected.
  struct Use: Sendable {
    let key: PartKey
    let byteCount: Int
    fileprivate let layer: Substring
    /// Whether a router chooses it, so that it may be another one the next time.
    fileprivate let isChosen: Bool

    init(key: PartKey, byteCount: Int) {
      self.key = key
      self.byteCount = byteCount
      layer = key.layer
      isChosen = layer.endIndex < key.path.endIndex
    }
  }

  private var lead = UseOrder()
  private var cycle = UseOrder()
  /// Whether nobody has said what a step uses: then it is what has been seen so far, over and over.
  private var isLearning = true
  private var persistence = RoutingPersistence()
  /// Uses of the lead, then of the cycle, that have gone by.
  private(set) var position = 0

  /// What comes before the next step begins.
  mutating func begin(lead uses: [Use]) {
    lead = UseOrder(uses)
    position = 0
    persistence.fade()
  }

  /// What a step uses.
  mutating func setCycle(_ uses: [Use]) {
    cycle = UseOrder(uses)
    isLearning = uses.isEmpty
  }

  /// A part is used now.
  mutating func use(_ key: PartKey, byteCount: Int) {
    if let place = lead.next(key, from: position) {
      position = place + 1
      return
    }
    let start = max(0, position - lead.uses.count)
    let use = Use(key: key, byteCount: byteCount)
    if position >= lead.uses.count, let correction = cycle.correct(use, at: start) {
      if use.isChosen { persistence.note(rank: correction.rank, stayed: correction.wasExpected) }
      position = lead.uses.count + start + 1
    } else if let first = cycle.places[key]?.first {
      position = lead.uses.count + (cycle.next(key, from: start) ?? first) + 1
    } else if isLearning {
      cycle.append(use)
      position = lead.uses.count + cycle.uses.count
    }
  }

  /// Uses that come before the next one of `key`, more of them the less sure it is; nil if none is known.
  ///
  /// What is used with probability p after d others saves as much for its room and time as what is certain to be
  /// used after d/p.
  func distance(to key: PartKey) -> Double? {
    if let place = lead.next(key, from: position) { return Double(place - position) }
    guard let first = cycle.places[key]?.first else { return nil }
    let place = cycle.next(key, from: position - lead.uses.count)
    let uses = lead.uses.count + (place ?? first + cycle.uses.count) - position
    guard cycle.uses[place ?? first].isChosen else { return Double(uses) }
    return Double(uses) / persistence.share(rank: cycle.ranks[place ?? first])
  }

  /// Whether a further use is known.
  func isExpected(_ key: PartKey) -> Bool {
    cycle.places[key] != nil || lead.next(key, from: position) != nil
  }

  /// How many uses are foreseen before all begins anew.
  var count: Int { max(0, lead.uses.count - position) + cycle.uses.count }

  /// How many of them somebody has announced.
  var announced: Int { isLearning ? max(0, lead.uses.count - position) : count }

  /// The use after so many others, below `count`.
  func upcoming(_ index: Int) -> Use {
    let place = position + index
    return place < lead.uses.count
      ? lead.uses[place] : cycle.uses[(place - lead.uses.count) % cycle.uses.count]
  }

  /// Bytes of the largest of the next parts that are absent, as many as `number`; nil if nothing is foreseen.
  func largest(ofNext number: Int, where isAbsent: (PartKey) -> Bool) -> Int? {
    guard count > 0 else { return nil }
    var (found, largest) = (0, 0)
    for index in 0..<count {
      let use = upcoming(index)
      guard isAbsent(use.key) else { continue }
      largest = max(largest, use.byteCount)
      found += 1
      if found == number { break }
    }
    return largest
  }
}

/// Uses in order, and at which places a part is used, ascending: a step of several images uses each part once
/// for every image.
private struct UseOrder: Sendable {
  private(set) var uses: [Forecast.Use]
  private(set) var places: [PartKey: [Int]]
  /// By place, how many uses of the same layer come right before: a router names first what it gives most weight.
  private(set) var ranks: [Int] = []

  init(_ uses: [Forecast.Use] = []) {
    self.uses = uses
    places = Dictionary(grouping: uses.indices) { uses[$0].key }
    ranks.reserveCapacity(uses.count)
    for place in uses.indices { ranks.append(rank(at: place)) }
  }

  private func rank(at place: Int) -> Int {
    place > 0 && uses[place - 1].layer == uses[place].layer ? ranks[place - 1] + 1 : 0
  }

  /// The first place of a part that is not before `start`.
  func next(_ key: PartKey, from start: Int) -> Int? {
    guard let places = places[key], let last = places.last, last >= start else { return nil }
    var (low, high) = (0, places.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if places[middle] < start { low = middle + 1 } else { high = middle }
    }
    return places[low]
  }

  mutating func append(_ use: Forecast.Use) {
    places[use.key, default: []].append(uses.count)
    uses.append(use)
    ranks.append(rank(at: uses.count - 1))
  }

  /// Puts `use` at a place that belongs to its layer. The layer's uses that were expected from there on come
  /// later by one; the last is dropped, or `use` itself if it was among them.
  /// - Returns: nil if the place belongs to another layer; else whether the layer was expected to use it, and the
  ///   rank of where, or of what was dropped.
  mutating func correct(_ use: Forecast.Use, at place: Int) -> (rank: Int, wasExpected: Bool)? {
    guard place < uses.count, uses[place].layer == use.layer else { return nil }
    var last = place
    while last + 1 < uses.count, uses[last].key != use.key, uses[last + 1].layer == use.layer { last += 1 }
    let wasExpected = uses[last].key == use.key
    for later in stride(from: last, to: place, by: -1) { put(uses[later - 1], at: later) }
    if last > place || !wasExpected { put(use, at: place) }
    return (ranks[last], wasExpected)
  }

  private mutating func put(_ use: Forecast.Use, at place: Int) {
    places[uses[place].key]?.removeAll { $0 == place }
    if places[uses[place].key]?.isEmpty == true { places[uses[place].key] = nil }
    uses[place] = use
    let index = places[use.key]?.firstIndex { $0 > place } ?? places[use.key]?.count ?? 0
    places[use.key, default: []].insert(place, at: index)
  }
}
