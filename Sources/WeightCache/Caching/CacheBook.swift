/// Which parts are held and which leave: the cache's book-keeping, without the weights, so that a recorded
/// trace can be replayed by the very same rules.
struct CacheBook: Sendable {
  /// One part that is held, or on its way in.
  struct Entry: Sendable {
    let byteCount: Int
    var pins: Int
    /// Whether it came for a use that is still ahead.
    var isFresh: Bool
    var lastUse: UInt64
    let arrival: UInt64
    /// Uses since it came.
    var uses: Int
  }

  /// A part that has to leave.
  struct Leaving: Sendable, Equatable {
    let key: PartKey
    /// Whether it was used only when it came: it went by, because all that stayed is needed sooner.
    let wentBy: Bool
  }

  let policy: CachePolicy
  /// Bytes that it may hold; nil: there is no bound.
  var budget: Int?
  var forecast = Forecast()
  private(set) var entries: [PartKey: Entry] = [:]
  private(set) var held = 0
  /// Bytes that came ahead of their use, which is still to come.
  private(set) var fresh = 0
  private var clock: UInt64 = 0

  init(policy: CachePolicy, budget: Int?) {
    self.policy = policy
    self.budget = budget
  }

  /// Notes a use of a part that is held.
  /// - Returns: whether it was there from an earlier use; nil if it is not held.
  mutating func use(_ key: PartKey, byteCount: Int) -> Bool? {
    forecast.use(key, byteCount: byteCount)
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

  /// Pins a part that is held in the place of an equal one.
  mutating func pin(_ key: PartKey) { entries[key]?.pins += 1 }

  /// Takes in a part that is used at once, and says which have to leave for it.
  mutating func admit(_ key: PartKey, byteCount: Int) -> [Leaving] {
    let leaving = makeRoom(byteCount) { _ in true }
    add(key, byteCount: byteCount, pins: 1, isFresh: false)
    return leaving
  }

  /// Takes in a part ahead of its use, unless something that is needed sooner would have to leave.
  ///
  /// While it is read it cannot leave, and what is used meanwhile may not be what was foreseen: it comes only
  /// if the largest part would still have room beside it.
  /// - Returns: the parts that leave for it; nil if it has to wait.
  mutating func admitAhead(_ key: PartKey, byteCount: Int, largest: Int) -> [Leaving]? {
    guard byteCount + largest <= room, let distance = forecast.distance(to: key) else { return nil }
    var trial = self
    let leaving = trial.makeRoom(byteCount) { (self.forecast.distance(to: $0) ?? .infinity) > distance }
    guard trial.held + byteCount <= room else { return nil }
    self = trial
    add(key, byteCount: byteCount, pins: 1, isFresh: true)
    return leaving
  }

  /// Ends a use. Where a part that comes soon would take much of the budget, what is used farthest ahead leaves
  /// before it comes, and its room stays free once it has gone: making its room when it comes would push out
  /// many small parts each time.
  /// - Parameter largest: bytes of the largest part, where nothing is foreseen.
  mutating func release(_ key: PartKey, largest: Int) -> [Leaving] {
    entries[key]?.pins -= 1
    guard policy == .nextUse else { return shrink() }
    let next = forecast.largest(ofNext: Self.provided) { entries[$0] == nil } ?? largest
    return makeRoom(next > room / Self.much ? min(next, room) : 0) { _ in true }
  }

  /// Ends the reading of a part that is to be used later.
  mutating func arrived(_ key: PartKey) -> [Leaving] {
    entries[key]?.pins -= 1
    return shrink()
  }

  // By trial on recorded renders of small, real and large models, bytes and uses against the optimum.
  /// Absent parts that room is kept for.
  private static let provided = 8
  /// The share of the budget that is much.
  private static let much = 12

  /// Lets unpinned parts leave until the budget is kept.
  mutating func shrink() -> [Leaving] {
    defer { assert(keepsBudget) }
    return makeRoom(0) { _ in true }
  }

  /// Forgets a part: one that could not be read, or whose model is gone.
  mutating func remove(_ key: PartKey) {
    guard let entry = entries.removeValue(forKey: key) else { return }
    held -= entry.byteCount
    if entry.isFresh { fresh -= entry.byteCount }
    assert(isSound)
  }

  /// Whether sums are those of the entries; debug builds ask after every change.
  private var isSound: Bool {
    let values = entries.values
    return held == values.reduce(0) { $0 + $1.byteCount }
      && fresh == values.reduce(0) { $0 + ($1.isFresh ? $1.byteCount : 0) }
      && values.allSatisfy { $0.pins >= 0 && $0.lastUse <= clock && ($0.uses > 0 || $0.isFresh) }
  }

  /// Whether more is held than may be.
  var isOver: Bool { held > room }

  /// Bytes that fit at all.
  private var room: Int { budget ?? .max }

  /// Whether only what is in use goes beyond the budget.
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

  /// The unpinned part that is to leave first.
  private func farthest(_ allowed: (PartKey) -> Bool) -> PartKey? {
    var best: (key: PartKey, rank: (Double, UInt64))?
    for (key, entry) in entries where entry.pins == 0 && allowed(key) {
      // What is ranked highest leaves; among equals the one that is unused for longer.
      let age = UInt64.max - entry.lastUse
      let rank: (Double, UInt64) =
        switch policy {
        case .lru: (0, age)
        case .nextUse: (forecast.distance(to: key) ?? .infinity, age)
        // What will not be used again is in nobody's way; what came ahead of its use was not read for nothing.
        case .pinFirst: (entry.isFresh ? 0 : forecast.isExpected(key) ? 1 : 2, entry.arrival)
        }
      if best.map({ rank > $0.rank }) ?? true { best = (key, rank) }
    }
    return best?.key
  }
}
