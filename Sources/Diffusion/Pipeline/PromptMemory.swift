import Synchronization
import Tensors

/// What the text encoders said of the latest rows of tokens. Jobs of one batch mostly have the negative prompt in
/// common, and what fills a short prompt up to a long one is the same each time: it is encoded once. A row's states do
/// not depend on what is encoded beside it.
final class PromptMemory: Sendable {
  /// A row of tokens and how many layers were left out for it.
  private struct Key: Hashable {
    let ids: [Int32]
    let skip: Int
  }

  private struct Row {
    let key: Key
    let states: Tensor
    let pooled: Tensor?
  }

  /// By encoder; what goes first comes first. Of one call's rows the first stay longest: those of the negative prompt,
  /// which is what comes again.
  private let kept = Mutex<[Int: [Row]]>([:])
  /// Rows that are kept of each encoder: less than 4 MB of both of SDXL's.
  private static let most = 6

  /// States of rows, `[row, token, width]`, and the pooled states `[row, width]` of an encoder that gives them.
  /// - Parameters:
  ///   - skip: layers left out.
  ///   - encoder: 0 for a model's first.
  ///   - encode: called with the rows that are not known, each once; not at all if all are.
  /// - Throws: what `encode` throws, and `MemoryRefusal`.
  func encoded(
    _ ids: [[Int32]], skip: Int, encoder: Int,
    _ encode: ([[Int32]]) throws -> (states: Tensor, pooled: Tensor?)
  ) throws -> (states: Tensor, pooled: Tensor?) {
    let keys = ids.map { Key(ids: $0, skip: skip) }
    var distinct: [Key] = []
    for key in keys where !distinct.contains(key) { distinct.append(key) }
    var rows: [Key: Row] = [:]
    for row in kept.withLock({ $0[encoder] ?? [] }) where distinct.contains(row.key) { rows[row.key] = row }
    let missing = distinct.filter { rows[$0] == nil }
    if !missing.isEmpty {
      // What was computed in memory that the system refused must not be kept.
      let fresh = try MemoryRefusal.check {
        let encoded = try encode(missing.map(\.ids))
        return missing.enumerated().map { place, key in
          Row(key: key, states: encoded.states.image(place), pooled: encoded.pooled?.image(place))
        }
      }
      for row in fresh { rows[row.key] = row }
    }
    let latest = distinct.reversed().compactMap { rows[$0] }
    kept.withLock { kept in
      let others = (kept[encoder] ?? []).filter { rows[$0.key] == nil }
      kept[encoder] = (others + latest).suffix(Self.most)
    }
    let found = keys.compactMap { rows[$0] }
    let pooled = found.compactMap(\.pooled)
    return (Tensor.batch(found.map(\.states)), pooled.isEmpty ? nil : Tensor.batch(pooled))
  }
}
