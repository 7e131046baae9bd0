/// The order in which parts are expected to be used: first the lead, which is the phase before the steps, then the
/// cycle, which is a denoising step, over and over.
///
/// The cycle is corrected as a step runs. If a layer is routed to another expert than the last time, that expert is
/// expected at once, not only from the next step on. How sure that is is learned too (`RoutingPersistence`).
package struct Forecast: Sendable {
  /// An expected use.
  package struct Use: Sendable {
    package let key: PartKey
    package let byteCount: Int
    fileprivate let layer: Substring
    /// Whether a router chose it, so that another expert may come the next time.
    fileprivate let isChosen: Bool

    package init(key: PartKey, byteCount: Int) {
      self.key = key
      self.byteCount = byteCount
      layer = key.layer
      isChosen = layer.endIndex < key.path.endIndex
    }
  }

  private var lead = UseOrder()
  private var cycle = UseOrder()
  /// Whether the cycle is unknown. Then the uses seen so far are expected, over and over.
  private var isLearning = true
  private var persistence = RoutingPersistence()
  /// How many uses of the lead, then of the cycle, have happened.
  private(set) var position = 0

  /// Nothing is expected.
  package init() {}

  /// Sets the lead: the uses before the next step.
  package mutating func begin(lead uses: [Use]) {
    lead = UseOrder(uses)
    position = 0
    persistence.fade()
  }

  /// Sets the cycle: the uses of a step.
  package mutating func setCycle(_ uses: [Use]) {
    cycle = UseOrder(uses)
    isLearning = uses.isEmpty
  }

  /// Notes that a part is used now.
  package mutating func use(_ key: PartKey, byteCount: Int) {
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

  /// How many uses come before the next one of `key`, divided by its probability; nil if none is expected.
  ///
  /// Keeping a part that is used with probability p after d others is worth as much as keeping one that is certain to
  /// be used after d/p.
  package func distance(to key: PartKey) -> Double? {
    if let place = lead.next(key, from: position) { return Double(place - position) }
    guard let first = cycle.places[key]?.first else { return nil }
    let place = cycle.next(key, from: position - lead.uses.count)
    let uses = lead.uses.count + (place ?? first + cycle.uses.count) - position
    guard cycle.uses[place ?? first].isChosen else { return Double(uses) }
    return Double(uses) / persistence.share(rank: cycle.ranks[place ?? first])
  }

  /// Whether a further use is expected.
  func isExpected(_ key: PartKey) -> Bool {
    cycle.places[key] != nil || lead.next(key, from: position) != nil
  }

  /// How many uses are expected before the cycle repeats.
  package var count: Int { max(0, lead.uses.count - position) + cycle.uses.count }

  /// How many of them were announced rather than learned.
  var announced: Int { isLearning ? max(0, lead.uses.count - position) : count }

  /// The use after `index` others, below `count`.
  package func upcoming(_ index: Int) -> Use {
    let place = position + index
    return place < lead.uses.count
      ? lead.uses[place] : cycle.uses[(place - lead.uses.count) % cycle.uses.count]
  }

  /// Bytes of the largest among the next `number` absent parts; nil if nothing is expected.
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

/// Uses in order, with the places at which each part is used, ascending. In a step of several images, each part is
/// used once per image.
private struct UseOrder: Sendable {
  private(set) var uses: [Forecast.Use]
  private(set) var places: [PartKey: [Int]]
  /// For each place, how many uses of the same layer come directly before it. A router's first use is its first
  /// choice.
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

  /// The first place of a part at or after `start`.
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

  /// Inserts `use` at a place that belongs to its layer. The layer's uses that were expected from there on move back
  /// by one. If `use` was among them, it is removed there; otherwise the last one is dropped.
  /// - Returns: nil if the place belongs to another layer; else whether `use` was expected, and the rank where it
  ///   was, or the rank of the dropped use.
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
