/// What a cache would have done with a recorded trace: by the rules of the real cache, or by the best possible ones.
///
/// If a part is used in another size than the one that is held, it counts as read anew. The real cache does the same
/// with weights that are packed differently.
package struct CacheReplay: Sendable {
  /// The result of a replay.
  package struct Outcome: Sendable, Equatable {
    package internal(set) var hits = 0
    package internal(set) var misses = 0
    /// Bytes that the misses read.
    package internal(set) var bytesRead = 0

    /// Bytes of the hits.
    package internal(set) var bytesHit = 0

    /// The share of all bytes used that did not have to be read, 0…1.
    package var byteRate: Double {
      bytesHit + bytesRead == 0 ? 0 : Double(bytesHit) / Double(bytesHit + bytesRead)
    }

    /// The share of hits among all uses, 0…1.
    package var hitRate: Double { hits + misses == 0 ? 0 : Double(hits) / Double(hits + misses) }
  }

  private let uses: [CacheTrace.Use]

  package init(_ trace: CacheTrace) { uses = trace.uses }

  /// Bytes of all parts that the denoising steps use, each in its largest size. For a trace without steps, of all
  /// parts.
  package var workingSet: Int {
    var sizes: [String: Int] = [:]
    let inSteps = uses.filter { $0.step != nil }
    for use in inSteps.isEmpty ? uses : inSteps { sizes[use.part] = max(sizes[use.part] ?? 0, use.bytes) }
    return sizes.values.reduce(0, +)
  }

  /// Replays the trace by a policy's rules. In the first step, the forecast is what the step has used so far.
  package func run(_ policy: CachePolicy, budget: Int) -> Outcome {
    var book = CacheBook(policy: policy, budget: budget)
    var outcome = Outcome()
    var step: Int?
    var used: [Forecast.Use] = []
    let largest = uses.map(\.bytes).max() ?? 0
    for use in uses {
      if use.step != step {
        if step != nil { book.forecasts.change(nil) { $0.setCycle(used) } }
        // The uses before the first step are not repeated in each step.
        if step == nil, used.count == outcome.hits + outcome.misses {
          book.forecasts.change(nil) { $0.setCycle([]) }
        }
        book.forecasts.change(nil) { $0.begin(lead: []) }
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

  /// Replays the trace with the future known (Belady, 1966): the part whose next use is farthest ahead is evicted,
  /// and a part that would be the first to leave is not kept at all.
  ///
  /// For parts of equal size no policy hits more. For unequal sizes this is nearly so for bytes, but not for uses,
  /// because a policy that keeps small parts hits more often.
  package func optimum(budget: Int) -> Outcome {
    // For each use, the next use of the same part in the same size, found from the end backwards.
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
