import Foundation
import Tensors

/// Packed weights of all loaded models, within a budget of bytes: experts and all other parts.
///
/// A part is pinned while a layer computes with it. Then it counts but cannot be evicted. If two threads want the
/// same absent part, it is read once.
///
/// If the pinned parts alone exceed the budget, the cache exceeds it rather than fail, until one is released. A
/// render's plan makes sure beforehand that this does not happen.
package final class PartCache: Sendable {
  private let core: CacheCore

  /// - Parameters:
  ///   - budget: bytes of packed weights to hold; nil: there is no bound.
  ///   - policy: which part is evicted first.
  ///   - prefetches: whether a thread reads parts ahead of their use.
  package init(budget: Int? = nil, policy: CachePolicy = .nextUse, prefetches: Bool = true) {
    core = CacheCore(book: CacheBook(policy: policy, budget: budget))
    // Reading ahead needs a forecast. `lru` has none; it is there to compare with.
    if prefetches && policy != .lru { core.startPrefetching() }
  }

  deinit { core.close() }

  /// Bytes of packed weights held now.
  package var byteCount: Int { core.locked { $0.book.held } }

  /// Number of parts held now.
  package var count: Int { core.locked { $0.book.entries.count } }

  /// Parts that are held or being read.
  package var keys: Set<PartKey> { core.locked { Set($0.book.entries.keys) } }

  /// Bytes that it may hold; nil: there is no bound.
  package var budget: Int? { core.locked { $0.book.budget } }

  /// Lends a part to `body`. It is read first if it is not here.
  /// - Parameters:
  ///   - use: which part, its size, and how to read it.
  ///   - type: what the part is once it is read.
  ///   - ledger: where the hit or miss, and what was evicted for it, is counted.
  ///   - body: gets the part, which stays in memory while it runs.
  /// - Throws: what loading throws (nothing is cached then) and what `body` throws.
  package func withPart<Part: Weighted, Result>(
    _ use: PartUse, as type: Part.Type, ledger: CacheLedger, _ body: (Part) throws -> Result
  ) throws -> Result {
    let loan = try core.borrow(use, as: type, ledger: ledger)
    defer { core.release(loan.key, ledger: ledger) }
    return try body(loan.part)
  }

  /// Forgets all parts of `model` and its networks that are not in use.
  package func removeAll(model: String) { core.removeAll(model: model) }

  /// Changes the budget. What no longer fits is evicted at once.
  package func setBudget(_ bytes: Int?, ledger: CacheLedger) {
    core.setBudget(bytes, ledger: ledger)
  }

  /// Announces what will be used before the next denoising step.
  package func begin(lead: [PartUse], ledger: CacheLedger) { core.begin(lead: lead, ledger: ledger) }

  /// Announces what a denoising step will use. It counts until a step has been recorded.
  package func expect(cycle: [PartUse]) { core.expect(cycle: cycle) }

  /// Runs a denoising step. Its uses are the forecast for the next step.
  /// - Parameters:
  ///   - ledger: where loads are counted.
  ///   - isWhole: whether all of the network runs. If not, the forecast stays that of the last step that was whole.
  ///   - body: the step.
  package func step<Result>(
    ledger: CacheLedger, isWhole: Bool = true, _ body: () throws -> Result
  ) rethrows -> Result {
    core.beginStep(ledger: ledger)
    defer { core.endStep(isForecast: isWhole) }
    return try body()
  }

  /// Nothing more is expected of a lane: its work is over.
  func forget(_ lane: WorkLane) { core.forget(lane) }

  /// Starts to record which parts are used, in order.
  package func startTrace() { core.locked { $0.trace = CacheTrace(uses: []) } }

  /// The uses since `startTrace`; nil if it was not called.
  package var trace: CacheTrace? { core.locked { $0.trace } }
}

/// Which part is evicted when another needs room.
package enum CachePolicy: String, Sendable, CaseIterable {
  /// The part that was unused for longest. It is the worst policy for the layers of a step, which are used in the
  /// same order again and again: each part leaves just before it is needed.
  case lru
  /// The part whose next use is farthest ahead (Belady's rule, with a forecast by each layer's latest routing).
  case nextUse = "next-use"
  /// The part that was read last, so that the first ones to fit stay.
  case pinFirst = "pin-first"
}
