import CKernels

extension Compute {
  /// Panels of 16 keys that one task packs.
  private static let packedPanels = 32

  /// Query rows of one task: wide heads, whose keys take long to stream, get more.
  private static func queryRows(width: Int) -> Int { width > 160 ? 96 : 48 }

  /// softmax(q·kᵀ / √width) · v per image and head, heads side by side in the channel axis. The
  /// scores are never written: the softmax runs along with the keys.
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
    let timing = self.timing(.attention, "\(queries) to \(keys), \(batch)×\(heads) of \(width)")
    defer { timing?.end() }
    work.add(4 * batch * queries * keys * channels)
    var shape = segmoe_attention(
      stride: channels, result_stride: channels, keys: keys, width: width,
      scale: 1 / Float(width).squareRoot(), causal: causal ? 1 : 0)
    let packed = PackedHeads(key: key, value: value, heads: heads, self)
    let rowsPerTask = Self.queryRows(width: width)
    let blocks = (queries + rowsPerTask - 1) / rowsPerTask
    let scratchSize = segmoe_attention_scratch(rowsPerTask, width)
    return tensor(shape: query.shape) { result in
      query.withUnsafe { query in
        packed.withUnsafe { packedKeys, packedValues in
          guard let query = query.baseAddress, let result = result.baseAddress else { return }
          withUnsafePointer(to: &shape) { shape in
            pool.run(batch * heads * blocks) { task in
              let (pair, row) = (task / blocks, task % blocks * rowsPerTask)
              let start = (pair / heads * queries + row) * channels + pair % heads * width
              withUnsafeTemporaryAllocation(of: Float.self, capacity: scratchSize) { scratch in
                segmoe_attend(
                  shape, query + start, row, min(rowsPerTask, queries - row),
                  packedKeys + pair * packed.keysSize, packedValues + pair * packed.valuesSize,
                  result + start, scratch.baseAddress)
              }
            }
          }
        }
      }
    }
  }

  /// Keys and values of every image and head, packed as the kernel reads them.
  private struct PackedHeads {
    /// Floats of one head's keys, and of its values.
    let keysSize: Int
    let valuesSize: Int
    private let keys: Tensor
    private let values: Tensor

    init(key: Tensor, value: Tensor, heads: Int, _ compute: Compute) {
      let (batch, count, channels) = (key.shape[0], key.shape[1], key.shape[2])
      let width = channels / heads
      let pairs = batch * heads
      keysSize = segmoe_packed_keys_size(count, width)
      valuesSize = segmoe_packed_values_size(count, width)
      let panels = (count + 15) / 16
      let pieces = (panels + packedPanels - 1) / packedPanels
      let (keysSize, valuesSize) = (keysSize, valuesSize)
      func pack(
        _ source: Tensor, size: Int,
        _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, _ first: Int, _ last: Int) -> Void
      ) -> Tensor {
        compute.tensor(shape: [pairs, size]) { result in
          source.withUnsafe { source in
            guard let source = source.baseAddress, let result = result.baseAddress else { return }
            compute.pool.run(pairs * pieces) { task in
              let (pair, first) = (task / pieces, task % pieces * packedPanels)
              body(
                source + pair / heads * count * channels + pair % heads * width, result + pair * size,
                first, min(panels, first + packedPanels))
            }
          }
        }
      }
      keys = pack(key, size: keysSize) { segmoe_pack_keys($0, channels, count, width, $1, $2, $3) }
      values = pack(value, size: valuesSize) {
        segmoe_pack_values($0, channels, count, width, $1, $2, $3)
      }
    }

    func withUnsafe(_ body: (UnsafePointer<Float>, UnsafePointer<Float>) -> Void) {
      keys.withUnsafe { keys in
        values.withUnsafe { values in
          guard let keys = keys.baseAddress, let values = values.baseAddress else { return }
          body(keys, values)
        }
      }
    }
  }
}
