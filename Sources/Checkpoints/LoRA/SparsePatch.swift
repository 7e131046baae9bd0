/// Adds numbers at some places of a weight.
struct SparsePatch: WeightPatch {
  /// Places in row-major order, ascending, and the number for each.
  private let entries: [(element: Int, value: Float)]
  private let scale: Float

  /// - Parameters:
  ///   - elements: places in the weight, in any order; numbers of the same place are added.
  ///   - values: a number for each.
  ///   - scale: what they are multiplied with.
  init(elements: [Int], values: [Float], scale: Float) {
    entries = zip(elements, values).map { ($0, $1) }.sorted { $0.element < $1.element }
    self.scale = scale
  }

  func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
  ) throws {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].element < elements.lowerBound { low = middle + 1 } else { high = middle }
    }
    for entry in entries[low...].prefix(while: { $0.element < elements.upperBound }) {
      values[entry.element - elements.lowerBound] += scale * entry.value
    }
  }
}
