/// The cache's book-keeping: which parts are held, and which leave. It holds no weights, so that recorded traces can
/// be replayed by the same rules.
struct CacheBook: Sendable {
  /// A part that is held or being read.
  struct Entry: Sendable {
    let byteCount: Int
    var pins: Int
    /// Whether it was read ahead of a use that has not happened yet.
    var isFresh: Bool
    var lastUse: UInt64
    let arrival: UInt64
    /// Uses since it was read.
    var uses: Int
  }

  /// A part that has to leave.
  struct Leaving: Sendable, Equatable {
    let key: PartKey
    /// Whether it was bypassed: used once when it came, and not kept.
    let wentBy: Bool
  }

  let policy: CachePolicy
  /// Bytes that it may hold; nil: there is no bound.
  var budget: Int?
  var forecasts = LaneForecasts()
  private(set) var entries: [PartKey: Entry] = [:]
  private(set) var held = 0
  /// Bytes of the entries that are fresh.
  private(set) var fresh = 0
  private var clock: UInt64 = 0

  init(policy: CachePolicy, budget: Int?) {
    self.policy = policy
    self.budget = budget
  }

  /// Notes a use of a part.
  /// - Parameters:
  ///   - key: the part.
  ///   - byteCount: its bytes.
  ///   - lane: whose work uses it.
  /// - Returns: nil if it is not held; else whether it was there from an earlier use.
  mutating func use(_ key: PartKey, byteCount: Int, in lane: LaneForecasts.Lane = nil) -> Bool? {
    forecasts.change(lane) { $0.use(key, byteCount: byteCount) }
    guard var entry = entries[key] else { return nil }
    clock += 1
    let wasThere = !entry.isFresh
    if entry.isFresh { fresh -= entry.byteCount }
    entry.pins += 1
    entry.lastUse = clock
    entry.isFresh = false
    entry.uses += 1
    entries[key] = entry
    assert(isSound)
    return wasThere
  }

  /// Pins the twin that is held instead of a part.
  mutating func pin(_ key: PartKey) { entries[key]?.pins += 1 }

  /// Adds a part that is used at once.
  /// - Returns: the parts that have to leave for it.
  mutating func admit(_ key: PartKey, byteCount: Int) -> [Leaving] {
    let leaving = makeRoom(byteCount) { _ in true }
    add(key, byteCount: byteCount, pins: 1, isFresh: false)
    return leaving
  }

  /// Adds a part ahead of its use, unless a part that is needed sooner would have to leave.
  ///
  /// While it is being read it cannot be evicted, and the forecast may be wrong. So it is added only if the largest
  /// part would still fit beside it.
  /// - Returns: the parts that have to leave for it; nil if it has to wait.
  mutating func admitAhead(_ key: PartKey, byteCount: Int, largest: Int) -> [Leaving]? {
    guard byteCount + largest <= room, let distance = forecasts.distance(to: key) else { return nil }
    var trial = self
    let leaving = trial.makeRoom(byteCount) { (self.forecasts.distance(to: $0) ?? .infinity) > distance }
    guard trial.held + byteCount <= room else { return nil }
    self = trial
    add(key, byteCount: byteCount, pins: 1, isFresh: true)
    return leaving
  }

  /// Ends a use.
  ///
  /// If one of the next parts takes much of the budget, room for it is made now, by evicting what is used farthest
  /// ahead. That room stays free after the large part has left. Otherwise it would push out many small parts each
  /// time it comes.
  /// - Parameters:
  ///   - key: the part that was used.
  ///   - largest: bytes of the largest part, used if there is no forecast.
  ///   - lane: whose work used it.
  /// - Returns: the parts that have to leave.
  mutating func release(
    _ key: PartKey, largest: Int, in lane: LaneForecasts.Lane = nil
  ) -> [Leaving] {
    entries[key]?.pins -= 1
    guard policy == .nextUse else { return shrink() }
    let next = forecasts[lane]?.largest(ofNext: Self.provided) { entries[$0] == nil } ?? largest
    return makeRoom(next > room / Self.much ? min(next, room) : 0) { _ in true }
  }

  /// Ends the reading of a part that was read ahead.
  mutating func arrived(_ key: PartKey) -> [Leaving] {
    entries[key]?.pins -= 1
    return shrink()
  }

  // Both numbers were found by trial on recorded renders of small and large models, compared with the optimum.
  /// How many absent parts ahead are considered.
  private static let provided = 8
  /// A part is large if it takes more than one such share of the budget: a twelfth.
  private static let much = 12

  /// Evicts unpinned parts until the budget is kept.
  mutating func shrink() -> [Leaving] {
    defer { assert(keepsBudget) }
    return makeRoom(0) { _ in true }
  }

  /// Forgets a part that could not be read, or whose model was unloaded.
  mutating func remove(_ key: PartKey) {
    guard let entry = entries.removeValue(forKey: key) else { return }
    held -= entry.byteCount
    if entry.isFresh { fresh -= entry.byteCount }
    assert(isSound)
  }

  /// Whether the sums are those of the entries. Debug builds check it after every change.
  private var isSound: Bool {
    let values = entries.values
    return held == values.reduce(0) { $0 + $1.byteCount }
      && fresh == values.reduce(0) { $0 + ($1.isFresh ? $1.byteCount : 0) }
      && values.allSatisfy { $0.pins >= 0 && $0.lastUse <= clock && ($0.uses > 0 || $0.isFresh) }
  }

  /// Whether more is held than the budget allows.
  var isOver: Bool { held > room }

  /// The budget in bytes, or the largest number if there is none.
  private var room: Int { budget ?? .max }

  /// Whether the budget is kept, or only pinned parts exceed it.
  private var keepsBudget: Bool { !isOver || entries.values.allSatisfy { $0.pins > 0 } }

  private mutating func add(_ key: PartKey, byteCount: Int, pins: Int, isFresh: Bool) {
    precondition(entries[key] == nil, "\(key) comes twice")
    clock += 1
    entries[key] = Entry(
      byteCount: byteCount, pins: pins, isFresh: isFresh, lastUse: clock, arrival: clock,
      uses: isFresh ? 0 : 1)
    held += byteCount
    if isFresh { fresh += byteCount }
    assert(isSound && keepsBudget)
  }

  private mutating func makeRoom(_ byteCount: Int, allowed: (PartKey) -> Bool) -> [Leaving] {
    var leaving: [Leaving] = []
    while held + byteCount > room, let victim = farthest(allowed) {
      leaving.append(
        Leaving(key: victim, wentBy: policy != .lru && (entries[victim]?.uses ?? 0) <= 1))
      remove(victim)
    }
    return leaving
  }

  /// The unpinned part that is to be evicted first.
  private func farthest(_ allowed: (PartKey) -> Bool) -> PartKey? {
    var best: (key: PartKey, rank: (Double, UInt64))?
    for (key, entry) in entries where entry.pins == 0 && allowed(key) {
      // The part with the highest rank is evicted; among equals the one that was unused for longest.
      let age = UInt64.max - entry.lastUse
      let rank: (Double, UInt64) =
        switch policy {
        case .lru: (0, age)
        case .nextUse: (forecasts.distance(to: key) ?? .infinity, age)
        // Parts without an expected use are evicted first. Parts that were read ahead are evicted last, or they would
        // have been read for nothing.
        case .pinFirst: (entry.isFresh ? 0 : forecasts.isExpected(key) ? 1 : 2, entry.arrival)
        }
      if best.map({ rank > $0.rank }) ?? true { best = (key, rank) }
    }
    return best?.key
  }
}
