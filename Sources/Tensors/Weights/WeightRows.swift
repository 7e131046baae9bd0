import CKernels

/// The rows of a weight, in memory or in a file. Packing reads some at a time, so a weight is never in memory twice.
package struct WeightRows: Sendable {
  package let count: Int
  /// Values of a row.
  package let width: Int
  /// Whether there are only sizes, and nothing to read.
  package let isMeta: Bool
  private let reading: @Sendable (Range<Int>, UnsafeMutableBufferPointer<Float>) throws -> Void

  /// - Parameters:
  ///   - count: the number of rows.
  ///   - width: values of a row.
  ///   - read: writes the rows of a range into a buffer that has exactly their size.
  package init(
    count: Int, width: Int,
    read: @escaping @Sendable (Range<Int>, UnsafeMutableBufferPointer<Float>) throws -> Void
  ) {
    self.count = count
    self.width = width
    isMeta = false
    reading = read
  }

  /// The rows of a matrix in memory; without values if it is a meta tensor.
  package init(_ matrix: Tensor) {
    count = matrix.shape[0]
    let width = matrix.count / max(1, matrix.shape[0])
    self.width = width
    isMeta = matrix.isMeta
    reading = { range, buffer in
      matrix.withUnsafe {
        _ = buffer.initialize(fromContentsOf: $0[range.lowerBound * width..<range.upperBound * width])
      }
    }
  }

  /// The rows of several weights of one width, one weight after the other.
  package init(stacking weights: [WeightRows]) {
    precondition(Set(weights.map(\.width)).count == 1, "weights of one width are stacked")
    count = weights.reduce(0) { $0 + $1.count }
    width = weights.first?.width ?? 0
    isMeta = weights.contains(where: \.isMeta)
    let width = width
    reading = { range, buffer in
      var first = 0
      for weight in weights {
        let part = range.clamped(to: first..<first + weight.count)
        if !part.isEmpty {
          let place = (part.lowerBound - range.lowerBound) * width
          try weight.read(
            part.lowerBound - first..<part.upperBound - first,
            into: UnsafeMutableBufferPointer(rebasing: buffer[place..<place + part.count * width]))
        }
        first += weight.count
      }
    }
  }

  /// The same rows as convolutions read them: torch's `[in, taps]` of each output as `[taps, in]`.
  package func tapsFirst(_ taps: Int) -> WeightRows {
    guard taps > 1, !isMeta else { return self }
    let (reading, width) = (reading, width)
    return WeightRows(count: count, width: width) { range, buffer in
      try LentFloats.with(range.count * width) { stored in
        try reading(range, stored)
        segmoe_taps_first(stored.baseAddress, range.count, width / taps, taps, buffer.baseAddress)
      }
    }
  }

  /// Writes the rows of a range into a buffer that has exactly their size.
  package func read(_ range: Range<Int>, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    precondition(!isMeta, "meta rows have no values")
    try reading(range, buffer)
  }

  /// The values of one row.
  package func row(_ index: Int) throws -> [Float] {
    try [Float](unsafeUninitializedCapacity: width) { buffer, count in
      try read(index..<index + 1, into: UnsafeMutableBufferPointer(rebasing: buffer[..<width]))
      count = width
    }
  }

  /// All rows, as a matrix `[count, width]`.
  package func matrix() throws -> Tensor {
    if isMeta { return Tensor(meta: [count, width]) }
    let atOnce = max(1, Self.packedAtOnce / max(1, width))
    return try Tensor(shape: [count, width]) { result in
      for first in stride(from: 0, to: count, by: atOnce) {
        let range = first..<min(count, first + atOnce)
        try read(
          range,
          into: UnsafeMutableBufferPointer(
            rebasing: result[range.lowerBound * width..<range.upperBound * width]))
      }
    }
  }

  /// How many values packing holds at a time: at least those of a group of rows.
  static let packedAtOnce = 1 << 19
}
