import Synchronization
import Tensors

/// The text encoders' states for the latest rows of tokens. Jobs of a batch mostly have the same negative prompt, and
/// the padding between a short and a long prompt is always the same, so these are encoded once. A row's states do not
/// depend on other rows.
final class PromptMemory: Sendable {
  /// A row of tokens, and how many layers were skipped.
  private struct Key: Hashable {
    let ids: [Int32]
    let skip: Int
  }

  private struct Row {
    let key: Key
    let states: Tensor
    let pooled: Tensor?
  }

  /// The rows of each encoder. Rows are dropped from the front, and a call's rows are added in reverse. So its first
  /// rows stay longest: those of the negative prompt, which is most likely to come again.
  private let kept = Mutex<[Int: [Row]]>([:])
  /// How many rows are kept per encoder. SDXL's two take less than 4 MB together.
  private static let most = 6

  /// The states of rows, `[row, token, width]`, and their pooled states, `[row, width]`, if the encoder has them.
  /// - Parameters:
  ///   - ids: the rows of tokens.
  ///   - skip: layers skipped.
  ///   - encoder: 0 for the model's first.
  ///   - encode: called with the rows that are not kept, each once. Not called if there are none.
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
      // If the system refused memory meanwhile, the result is garbage and must not be kept.
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
