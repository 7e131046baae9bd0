import Foundation
import Tensors

/// The state that the cache and its prefetching thread share.
final class CacheCore: @unchecked Sendable {
  // Unchecked: every property is touched only with `condition` held.
  private let condition = NSCondition()
  private(set) var book: CacheBook
  private var parts: [PartKey: any Weighted] = [:]
  private var loading: Set<PartKey> = []
  /// How to read the parts of the forecast.
  private var ways: [PartKey: PartUse] = [:]
  /// What each lane is at.
  private var lanes: [LaneForecasts.Lane: LaneState] = [:]
  private var isClosed = false
  /// Parts that are bit for bit equal to another model's part, which is held instead.
  private var twins: [PartKey: PartKey] = [:]
  /// Whether every part of the forecast was here when the thread that reads ahead last looked, and none has left since.
  private var isForecastHere = false
  /// Denoising steps begun since the trace began.
  private var step = 0
  var trace: CacheTrace?

  /// What one lane is at.
  private struct LaneState {
    /// The uses of the denoising step that runs; nil between two steps.
    var recording: [PartUse]?
    /// Where what is read ahead is counted.
    var ledger = CacheLedger()
    /// Bytes of the largest part.
    var largest = 0
  }

  /// A part that is lent.
  struct Loan<Part> {
    let part: Part
    /// What is pinned: the part, or another model's equal one.
    let key: PartKey
  }

  /// Bytes of the largest part of all lanes.
  private var largest: Int { lanes.values.reduce(0) { max($0, $1.largest) } }

  init(book: CacheBook) { self.book = book }

  func locked<Result>(_ body: (CacheCore) -> Result) -> Result {
    condition.lock()
    defer { condition.unlock() }
    return body(self)
  }

  // MARK: Lending

  func borrow<Part: Weighted>(_ use: PartUse, as type: Part.Type, ledger: CacheLedger) throws -> Loan<Part> {
    let lane = LaneForecasts.current
    condition.lock()
    let use = canonical(use)
    ways[use.key] = use
    lanes[lane]?.recording?.append(use)
    trace?.uses.append(
      CacheTrace.Use(
        part: use.key.description, bytes: use.byteCount, step: lanes[lane]?.recording == nil ? nil : step))
    waitWhileLoading(use.key, ledger)
    // Another type under the same path means that the same weights are now packed differently: load anew.
    if book.entries[use.key] != nil, !(parts[use.key] is Part) { forget(use.key) }
    if let wasThere = book.use(use.key, byteCount: use.byteCount, in: lane),
      let part = parts[use.key] as? Part
    {
      tellOfUse()
      condition.unlock()
      if wasThere { ledger.hit() }
      return Loan(part: part, key: use.key)
    }
    let leaving = book.admit(use.key, byteCount: use.byteCount)
    drop(leaving, ledger)
    loading.insert(use.key)
    note(lane) { $0.largest = max($0.largest, use.byteCount) }
    condition.unlock()

    let began = ContinuousClock.now
    // Weights are the cache's, whoever reads them.
    let loaded = WorkLane.$current.withValue(nil) { Result { try MemoryRefusal.check(use.load) } }
    ledger.stall(seconds: (ContinuousClock.now - began).seconds)

    condition.lock()
    defer {
      loading.remove(use.key)
      condition.broadcast()
      condition.unlock()
    }
    do {
      guard let part = try loaded.get() as? Part else {
        preconditionFailure("\(use.key) is not a \(Part.self)")
      }
      ledger.miss(bytes: use.byteCount)
      let held = place(part, use) as? Part ?? part
      return Loan(part: held, key: twins[use.key] ?? use.key)
    } catch {
      remove(use.key)
      throw error
    }
  }

  /// Wakes the thread that reads ahead, which may have something to do by now, and whoever waits for a part. In a step
  /// whose parts are all here nobody has: waking a thread twice for every part would take longer than small layers.
  private func tellOfUse() {
    if !isForecastHere || !loading.isEmpty { condition.broadcast() }
  }

  /// Takes a part out of the book.
  private func remove(_ key: PartKey) {
    book.remove(key)
    isForecastHere = false
  }

  private func canonical(_ use: PartUse) -> PartUse {
    twins[use.key].map { PartUse(key: $0, byteCount: use.byteCount, load: use.load) } ?? use
  }

  /// Keeps a part that was read and is pinned. If another model holds an equal part, that one is kept instead.
  private func place(_ part: any Weighted, _ use: PartUse) -> any Weighted {
    let layer = use.key.layer
    let twin = book.entries.first { key, entry in
      key.model != use.key.model && entry.byteCount == use.byteCount && key.layer == layer
        && parts[key].map { part.isSameFunction(as: $0) } == true
    }
    guard let twin, let held = parts[twin.key] else {
      parts[use.key] = part
      return part
    }
    // The part's own entry is removed, and the other model's is pinned instead.
    remove(use.key)
    twins[use.key] = twin.key
    book.pin(twin.key)
    return held
  }

  private func waitWhileLoading(_ key: PartKey, _ ledger: CacheLedger) {
    guard loading.contains(key) else { return }
    let began = ContinuousClock.now
    while loading.contains(key) { condition.wait() }
    ledger.stall(seconds: (ContinuousClock.now - began).seconds)
  }

  /// - Parameters:
  ///   - key: as it was lent.
  ///   - ledger: where what leaves is counted.
  func release(_ key: PartKey, ledger: CacheLedger) {
    let lane = LaneForecasts.current
    condition.lock()
    drop(book.release(key, largest: largest, in: lane), ledger)
    assert(isSound)
    tellOfUse()
    condition.unlock()
  }

  /// Whether every part in the book is here, or pinned and being read. Debug builds check it.
  private var isSound: Bool {
    book.entries.allSatisfy { key, entry in
      loading.contains(key) ? entry.pins > 0 : parts[key].map { $0.byteCount == entry.byteCount } == true
    } && parts.keys.allSatisfy { book.entries[$0] != nil }
  }

  private func drop(_ leaving: [CacheBook.Leaving], _ ledger: CacheLedger) {
    for part in leaving {
      isForecastHere = false
      parts[part.key] = nil
      ledger.left(wentBy: part.wentBy)
    }
  }

  private func forget(_ key: PartKey) {
    remove(key)
    parts[key] = nil
  }

  func removeAll(model: String) {
    locked { core in
      for (key, entry) in core.book.entries
      where (key.model == model || key.model.hasPrefix(model + "/")) && entry.pins == 0 {
        core.forget(key)
      }
      core.isForecastHere = false
      core.ways = core.ways.filter { key, _ in key.model != model && !key.model.hasPrefix(model + "/") }
      core.twins = core.twins.filter { twin, held in
        ![twin, held].contains { $0.model == model || $0.model.hasPrefix(model + "/") }
      }
    }
  }

  /// Changes the budget and returns when it is kept. If it shrinks while a part is being read, that read is waited
  /// for.
  func setBudget(_ bytes: Int?, ledger: CacheLedger) {
    locked { core in
      core.book.budget = bytes
      core.drop(core.book.shrink(), ledger)
      while core.book.isOver, !core.loading.isEmpty {
        core.condition.wait()
        core.drop(core.book.shrink(), ledger)
      }
      core.condition.broadcast()
    }
  }

  // MARK: Forecast

  /// What a forecast is made of. A new one is to be looked at.
  private func expected(_ uses: [PartUse]) -> [Forecast.Use] {
    isForecastHere = false
    return uses.map {
      let use = canonical($0)
      ways[use.key] = use
      return Forecast.Use(key: use.key, byteCount: use.byteCount)
    }
  }

  private func note(_ lane: LaneForecasts.Lane, _ body: (inout LaneState) -> Void) {
    body(&lanes[lane, default: LaneState()])
  }

  func begin(lead: [PartUse], ledger: CacheLedger) {
    let lane = LaneForecasts.current
    locked { core in
      core.note(lane) {
        $0.ledger = ledger
        $0.largest = max($0.largest, lead.map(\.byteCount).max() ?? 0)
      }
      let uses = core.expected(lead)
      core.book.forecasts.change(lane) { $0.begin(lead: uses) }
      core.condition.broadcast()
    }
  }

  func expect(cycle: [PartUse]) {
    let lane = LaneForecasts.current
    locked { core in
      core.note(lane) { $0.largest = cycle.map(\.byteCount).max() ?? 0 }
      let uses = core.expected(cycle)
      core.book.forecasts.change(lane) { $0.setCycle(uses) }
    }
  }

  func beginStep(ledger: CacheLedger) {
    begin(lead: [], ledger: ledger)
    let lane = LaneForecasts.current
    locked { core in
      core.note(lane) { $0.recording = [] }
      core.step += 1
    }
  }

  /// - Parameter isForecast: whether the next step is expected to use the same.
  func endStep(isForecast: Bool) {
    let lane = LaneForecasts.current
    locked { core in
      guard let used = core.lanes[lane]?.recording else { return }
      core.note(lane) { $0.recording = nil }
      guard isForecast else { return }
      let uses = core.expected(used)
      core.book.forecasts.change(lane) { $0.setCycle(uses) }
    }
  }

  /// Nothing more is expected of a lane: its work is over.
  func forget(_ lane: WorkLane) {
    locked { core in
      core.lanes[ObjectIdentifier(lane)] = nil
      core.book.forecasts.forget(ObjectIdentifier(lane))
      core.isForecastHere = false
    }
  }

  // MARK: Reading ahead

  func startPrefetching() {
    // Without the thread nothing is read ahead, and all else is the same.
    try? WorkThread.start("segmoe-ahead", stackBytes: 4 << 20) { [self] in prefetch() }
  }

  func close() {
    locked { core in
      core.isClosed = true
      core.condition.broadcast()
    }
  }

  private func prefetch() {
    condition.lock()
    while !isClosed {
      guard let (lane, use) = nextAbsent(),
        let leaving = book.admitAhead(use.key, byteCount: use.byteCount, largest: largest)
      else {
        isForecastHere = isEveryUseHere
        condition.wait()
        continue
      }
      let ledger = lanes[lane]?.ledger ?? CacheLedger()
      drop(leaving, ledger)
      loading.insert(use.key)
      condition.unlock()
      let loaded = try? MemoryRefusal.check(use.load)
      condition.lock()
      loading.remove(use.key)
      if let loaded {
        ledger.miss(bytes: use.byteCount)
        _ = place(loaded, use)
        drop(book.arrived(twins[use.key] ?? use.key), ledger)
      } else {
        // The layer that needs the part will read it again and report the error.
        remove(use.key)
      }
      condition.broadcast()
      if loaded == nil { condition.wait() }
    }
    condition.unlock()
  }

  /// Whether every part of the forecasts is here.
  private var isEveryUseHere: Bool {
    book.forecasts.all.allSatisfy { forecast in
      (0..<forecast.announced).allSatisfy {
        let key = forecast.upcoming($0).key
        return book.entries[twins[key] ?? key] != nil
      }
    }
  }

  /// The next absent part of the forecasts, and the lane that needs it first; nil if it is too early to read it, because
  /// it would push out parts that are needed before it.
  private func nextAbsent() -> (LaneForecasts.Lane, PartUse)? {
    guard book.fresh < max(2 * largest, 1) else { return nil }
    var nearest: (lane: LaneForecasts.Lane, use: PartUse, parts: Int)?
    for lane in lanes.keys {
      guard let forecast = book.forecasts[lane], let next = nextAbsent(in: forecast) else { continue }
      if nearest.map({ next.parts < $0.parts }) ?? true { nearest = (lane, next.use, next.parts) }
    }
    return nearest.map { ($0.lane, $0.use) }
  }

  /// The next absent part of a forecast, and how many others come before it.
  private func nextAbsent(in forecast: Forecast) -> (use: PartUse, parts: Int)? {
    var (parts, last) = (0, PartKey?.none)
    // One round of the forecast is enough.
    for index in 0..<forecast.announced where parts < Self.farthestAhead {
      let expected = forecast.upcoming(index).key
      let key = twins[expected] ?? expected
      if book.entries[key] == nil { return ways[key].map { ($0, parts) } }
      if key != last { (parts, last) = (parts + 1, key) }
    }
    return nil
  }

  /// How many parts the thread looks ahead.
  private static let farthestAhead = 24
}
