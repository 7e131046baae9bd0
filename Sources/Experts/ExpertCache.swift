import Foundation
import Layers

/// Which expert of which layer of which model: what the cache files packed experts under.
package struct ExpertKey: Hashable, Sendable, CustomStringConvertible {
  /// Identifies the loaded weights; two models that are the same files share it.
  package let model: String
  /// The expert's place, such as `down_blocks.0.attentions.0.transformer_blocks.0.ff.experts.2`.
  package let path: String

  package init(model: String, path: String) {
    self.model = model
    self.path = path
  }

  package var description: String { "\(model.prefix(12)):\(path)" }
}

/// Packed experts of all loaded models, within a budget of bytes, least recently used out first.
///
/// An expert is pinned while a layer computes with it: it then counts but is not evicted. Two
/// threads that want the same absent expert load it once. When the pinned experts alone exceed the
/// budget, the cache goes over it rather than fail, and comes back as soon as one is released.
package final class ExpertCache: @unchecked Sendable {
  // Unchecked: every stored property below `condition` is touched only with it held.
  private struct Entry {
    let expert: any Layer
    let byteCount: Int
    var pins: Int
    var lastUse: UInt64
  }

  private let condition = NSCondition()
  private var budget: Int
  private var entries: [ExpertKey: Entry] = [:]
  private var loading: Set<ExpertKey> = []
  private var clock: UInt64 = 0
  private var held = 0

  /// - Parameter budget: bytes of packed experts to hold; `Int.max` for no limit.
  package init(budget: Int) {
    self.budget = budget
  }

  /// Bytes of packed experts held now.
  package var byteCount: Int { locked { held } }

  /// Number of experts held now.
  package var count: Int { locked { entries.count } }

  /// Lends an expert to `body`, loading it first if it isn't here.
  /// - Parameters:
  ///   - ledger: where the hit or miss, and what was evicted for it, is counted.
  ///   - load: reads and packs the expert; called outside the lock.
  /// - Throws: what `load` throws (nothing is cached then) and what `body` throws.
  package func withExpert<Expert: Layer, Result>(
    _ key: ExpertKey, ledger: ExpertLedger, load: () throws -> Expert,
    _ body: (Expert) throws -> Result
  ) throws -> Result {
    let expert = try borrow(key, ledger: ledger, load: load)
    defer { release(key, ledger: ledger) }
    return try body(expert)
  }

  /// Forgets everything that belongs to `model` and is not in use.
  package func removeAll(model: String) {
    locked {
      for (key, entry) in entries where key.model == model && entry.pins == 0 { remove(key, entry) }
    }
  }

  /// Changes the budget; evicts at once what no longer fits.
  package func setBudget(_ bytes: Int, ledger: ExpertLedger) {
    locked {
      budget = bytes
      shrink(ledger)
    }
  }

  private func borrow<Expert: Layer>(
    _ key: ExpertKey, ledger: ExpertLedger, load: () throws -> Expert
  ) throws -> Expert {
    condition.lock()
    while loading.contains(key) { condition.wait() }
    clock += 1
    // Another type under the same path means another reading of the same weights: load anew.
    if var entry = entries[key], let expert = entry.expert as? Expert {
      entry.pins += 1
      entry.lastUse = clock
      entries[key] = entry
      condition.unlock()
      ledger.hit()
      return expert
    }
    loading.insert(key)
    condition.unlock()

    let loaded = Swift.Result { try load() }

    condition.lock()
    defer {
      loading.remove(key)
      condition.broadcast()
      condition.unlock()
    }
    let expert = try loaded.get()
    ledger.miss(bytes: expert.byteCount)
    clock += 1
    entries[key] = Entry(expert: expert, byteCount: expert.byteCount, pins: 1, lastUse: clock)
    held += expert.byteCount
    shrink(ledger)
    return expert
  }

  private func release(_ key: ExpertKey, ledger: ExpertLedger) {
    locked {
      entries[key]?.pins -= 1
      shrink(ledger)
    }
  }

  /// Evicts the least recently used unpinned experts until the budget is kept.
  private func shrink(_ ledger: ExpertLedger) {
    while held > budget {
      let unpinned = entries.lazy.filter { $0.value.pins == 0 }
      guard let victim = unpinned.min(by: { $0.value.lastUse < $1.value.lastUse }) else { break }
      remove(victim.key, victim.value)
      ledger.eviction()
    }
    assert(held == entries.values.reduce(0) { $0 + $1.byteCount }, "the sum of the entries is held")
  }

  private func remove(_ key: ExpertKey, _ entry: Entry) {
    entries[key] = nil
    held -= entry.byteCount
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    condition.lock()
    defer { condition.unlock() }
    return body()
  }
}
