import CKernels

extension Compute {
  /// Query rows whose scores one task holds at a time.
  private static let queryRows = 64

  /// softmax(q·kᵀ / √width) · v per image and head, heads side by side in the channel axis.
  /// - Parameters:
  ///   - query: `[batch, queries, heads·width]`.
  ///   - key: `[batch, keys, heads·width]`; `value` alike.
  ///   - causal: whether query i sees only keys 0…i (text encoders).
  /// - Returns: `[batch, queries, heads·width]`.
  package func attention(
    query: Tensor, key: Tensor, value: Tensor, heads: Int, causal: Bool = false
  ) -> Tensor {
    let (batch, queries, channels) = (query.shape[0], query.shape[1], query.shape[2])
    let keys = key.shape[1]
    let width = channels / heads
    let scale = 1 / Float(width).squareRoot()
    work.add(4 * batch * queries * keys * channels)
    let blocks = (queries + Self.queryRows - 1) / Self.queryRows
    return Tensor(shape: query.shape) { result in
      query.withUnsafe { query in
        key.withUnsafe { key in
          value.withUnsafe { value in
            guard let query = query.baseAddress, let key = key.baseAddress,
              let value = value.baseAddress, let result = result.baseAddress
            else { return }
            pool.run(batch * heads * blocks) { task in
              let image = task / (heads * blocks)
              let head = task / blocks % heads
              let row = task % blocks * Self.queryRows
              let rows = min(Self.queryRows, queries - row)
              let q = query + (image * queries + row) * channels + head * width
              let k = key + image * keys * channels + head * width
              let v = value + image * keys * channels + head * width
              withUnsafeTemporaryAllocation(of: Float.self, capacity: rows * keys) { scores in
                guard let scores = scores.baseAddress else { return }
                multiply(
                  MatrixView(q, rows: rows, columns: width, stride: channels),
                  MatrixView(k, rows: keys, columns: width, stride: channels),
                  transposed: true, scale: scale, into: scores, stride: keys)
                if causal {
                  for r in 0..<rows where row + r + 1 < keys {
                    (scores + r * keys + row + r + 1).update(
                      repeating: -Float.infinity, count: keys - row - r - 1)
                  }
                }
                segmoe_softmax(scores, rows, keys, keys)
                multiply(
                  MatrixView(scores, rows: rows, columns: keys),
                  MatrixView(v, rows: keys, columns: width, stride: channels),
                  transposed: false, into: result + (image * queries + row) * channels + head * width,
                  stride: channels)
              }
            }
          }
        }
      }
    }
  }
}
