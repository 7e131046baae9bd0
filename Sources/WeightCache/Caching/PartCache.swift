import Foundation

/// Packed weights of all loaded models, within a budget of bytes: experts, and every other part that a pass
/// needs for a moment.
///
/// A part is pinned while a layer computes with it: it then counts but cannot leave. Two threads that want
/// the same absent part load it once. When the pinned parts alone exceed the budget, the cache goes over it
/// rather than fail, and comes back as soon as one is released; a render's plan sees to it that they don't.
package final class PartCache: Sendable {
  private let core: CacheCore

  /// - Parameters:
  ///   - budget: bytes of packed weights to hold; nil: there is no bound.
  ///   - policy: what leaves first.
  ///   - prefetches: whether a thread of its own reads ahead of the forecast.
  package init(budget: Int? = nil, policy: CachePolicy = .nextUse, prefetches: Bool = true) {
    core = CacheCore(book: CacheBook(policy: policy, budget: budget))
    // Read ahead pays only if it is known what comes; `lru` is there to compare with.
    if prefetches && policy != .lru { core.startPrefetching() }
  }

  deinit { core.close() }

  /// Bytes of packed weights held now.
  package var byteCount: Int { core.locked { $0.book.held } }

  /// Number of parts held now.
  package var count: Int { core.locked { $0.book.entries.count } }

  /// What is held now, or on its way in.
  package var keys: Set<PartKey> { core.locked { Set($0.book.entries.keys) } }

  /// Bytes that it may hold; nil: there is no bound.
  package var budget: Int? { core.locked { $0.book.budget } }

  /// Lends a part to `body`, loading it first if it isn't here.
  /// - Parameters:
  ///   - use: which part, its size, and how to read it.
  ///   - type: what the part is once it is read.
  ///   - ledger: where the hit or miss, and what was evicted for it, is counted.
  ///   - body: gets the part, which stays in memory while it runs.
  /// - Throws: what loading throws (nothing is cached then) and what `body` throws.
  package func withPart<Part: Weighted, Result>(
    _ use: PartUse, as type: Part.Type, ledger: CacheLedger, _ body: (Part) throws -> Result
  ) throws -> Result {
    let part = try core.borrow(use, as: type, ledger: ledger)
    defer { core.release(use.key, ledger: ledger) }
    return try body(part)
  }

  /// Forgets everything that belongs to `model`, or to a network of it, and is not in use.
  package func removeAll(model: String) { core.removeAll(model: model) }

  /// Changes the budget; what no longer fits leaves at once.
  package func setBudget(_ bytes: Int?, ledger: CacheLedger) {
    core.setBudget(bytes, ledger: ledger)
  }

  /// Says what will be used before the next denoising step.
  package func begin(lead: [PartUse], ledger: CacheLedger) { core.begin(lead: lead, ledger: ledger) }

  /// Says what a denoising step will use, until one has been recorded.
  package func expect(cycle: [PartUse]) { core.expect(cycle: cycle) }

  /// Runs one denoising step; what it uses is the forecast for the next.
  package func step<Result>(ledger: CacheLedger, _ body: () throws -> Result) rethrows -> Result {
    core.beginStep(ledger: ledger)
    defer { core.endStep() }
    return try body()
  }

  /// Starts to record which parts are used, in order.
  package func startTrace() { core.locked { $0.trace = CacheTrace(uses: []) } }

  /// What was recorded since `startTrace`.
  package var trace: CacheTrace? { core.locked { $0.trace } }
}
