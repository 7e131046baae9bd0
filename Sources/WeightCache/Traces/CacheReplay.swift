/// What a cache would have done with a recorded trace: by the very rules of the real one, or by the best that
/// anybody could have done.
///
/// A part that is used in another size than the one that is held is read anew, as the cache does with another
/// reading of the same weights.
package struct CacheReplay: Sendable {
  /// How one replay went.
  package struct Outcome: Sendable, Equatable {
    package internal(set) var hits = 0
    package internal(set) var misses = 0
    /// Bytes that the misses read.
    package internal(set) var bytesRead = 0

    /// Bytes of the hits.
    package internal(set) var bytesHit = 0

    /// Of all bytes used, how many were there, 0…1: what is not has to be read.
    package var byteRate: Double {
      bytesHit + bytesRead == 0 ? 0 : Double(bytesHit) / Double(bytesHit + bytesRead)
    }

    /// Hits of all uses, 0…1.
    package var hitRate: Double { hits + misses == 0 ? 0 : Double(hits) / Double(hits + misses) }
  }

  private let uses: [CacheTrace.Use]

  package init(_ trace: CacheTrace) { uses = trace.uses }

  /// Bytes of all parts that the denoising steps use, each in its largest size; of a trace without steps, of all.
  package var workingSet: Int {
    var sizes: [String: Int] = [:]
    let inSteps = uses.filter { $0.step != nil }
    for use in inSteps.isEmpty ? uses : inSteps { sizes[use.part] = max(sizes[use.part] ?? 0, use.bytes) }
    return sizes.values.reduce(0, +)
  }

  /// With the rules of a policy. The first step has no forecast but what it has used so far.
  package func run(_ policy: CachePolicy, budget: Int) -> Outcome {
    var book = CacheBook(policy: policy, budget: budget)
    var outcome = Outcome()
    var step: Int?
    var used: [Forecast.Use] = []
    let largest = uses.map(\.bytes).max() ?? 0
    for use in uses {
      if use.step != step {
        if step != nil { book.forecast.setCycle(used) }
        // What came before any step does not come again in each.
        if step == nil, used.count == outcome.hits + outcome.misses { book.forecast.setCycle([]) }
        book.forecast.begin(lead: [])
        used = []
        step = use.step
      }
      let key = PartKey(model: "", path: use.part)
      used.append(Forecast.Use(key: key, byteCount: use.bytes))
      if let held = book.entries[key], held.byteCount != use.bytes { book.remove(key) }
      if book.use(key, byteCount: use.bytes) == true {
        outcome.hits += 1
        outcome.bytesHit += use.bytes
      } else {
        outcome.misses += 1
        outcome.bytesRead += use.bytes
        _ = book.admit(key, byteCount: use.bytes)
      }
      _ = book.release(key, largest: largest)
    }
    return outcome
  }

  /// With the future known (Belady, 1966): what leaves is what is used farthest ahead, and what would be the
  /// first to leave does not take any room. Of parts of equal size nobody hits more; of unequal ones that is
  /// so for bytes, nearly, not for uses: who keeps the small ones hits more often.
  package func optimum(budget: Int) -> Outcome {
    // The next use of each use's part in the same size, from the end backwards.
    var next = [Int](repeating: .max, count: uses.count)
    var seen: [String: Int] = [:]
    for (index, use) in uses.enumerated().reversed() {
      if let later = seen[use.part], uses[later].bytes == use.bytes { next[index] = later }
      seen[use.part] = index
    }
    var outcome = Outcome()
    var held: [String: (bytes: Int, next: Int)] = [:]
    var total = 0
    for (index, use) in uses.enumerated() {
      if held[use.part]?.bytes == use.bytes {
        outcome.hits += 1
        outcome.bytesHit += use.bytes
        held[use.part]?.next = next[index]
        continue
      }
      outcome.misses += 1
      outcome.bytesRead += use.bytes
      total -= held[use.part]?.bytes ?? 0
      held[use.part] = (use.bytes, next[index])
      total += use.bytes
      while total > budget, let last = held.max(by: { $0.value.next < $1.value.next }) {
        held[last.key] = nil
        total -= last.value.bytes
      }
    }
    return outcome
  }
}
