import CKernels
import Requests

/// A range of neighbouring channels in a tensor's rows. One product may compute queries, keys and values side by side;
/// this names one of the three.
package struct Channels: Sendable {
  /// `[batch, rows, channel]`.
  let tensor: Tensor
  let first: Int
  let count: Int

  /// All channels of a tensor.
  package init(_ tensor: Tensor) {
    self.tensor = tensor
    first = 0
    count = tensor.shape[2]
  }

  /// One of several equal shares.
  package init(_ tensor: Tensor, share: Int, of shares: Int) {
    self.tensor = tensor
    count = tensor.shape[2] / shares
    first = share * count
  }

  /// Floats from one row to the next.
  var stride: Int { tensor.shape[2] }
}

extension Compute {
  /// Query rows of one task at most. They share one read of each block of keys and values.
  private static let queryRows = 96

  /// softmax(q·kᵀ / √width) · v per image and head, heads side by side in the channel axis. The
  /// scores are never stored as a whole: the softmax is updated block by block along the keys.
  /// - Parameters:
  ///   - query: heads·width channels of `[batch, queries, …]`.
  ///   - key: as many channels of `[batch, keys, …]`.
  ///   - value: as many channels of `[batch, keys, …]`.
  ///   - heads: how many the channels are split into.
  ///   - causal: whether query i sees only keys 0…i (text encoders).
  ///   - precision: the precision of the layer. `AttentionKernels` says in which the products are then. Softmax and sums
  ///     are always in single precision.
  /// - Returns: `[batch, queries, heads·width]`.
  package func attention(
    query: Channels, key: Channels, value: Channels, heads: Int, causal: Bool = false,
    precision: Precision = .f32
  ) -> Tensor {
    let (batch, queries, channels) = (query.tensor.shape[0], query.tensor.shape[1], query.count)
    let keys = key.tensor.shape[1]
    let width = channels / heads
    let timing = self.timing(.attention, "\(queries) to \(keys), \(batch)×\(heads) of \(width)")
    defer { timing?.end() }
    work.add(4 * batch * queries * keys * channels)
    var shape = segmoe_attention(
      stride: query.stride, result_stride: channels, keys: keys, width: width,
      scale: 1 / Float(width).squareRoot(), causal: causal ? 1 : 0)
    let kernels = AttentionKernels(precision: precision, keys: keys, causal: causal)
    let packed = PackedHeads(key: key, value: value, heads: heads, kernels, self)
    let pairs = batch * heads
    let parts = cut(
      pairs, of: queries, into: (queries + Self.queryRows - 1) / Self.queryRows, most: (queries + 11) / 12)
    let rowsPerTask = min(Self.queryRows, (queries + parts - 1) / parts)
    let blocks = (queries + rowsPerTask - 1) / rowsPerTask
    let scratchSize = segmoe_attention_scratch(rowsPerTask, width)
    return tensor(shape: [batch, queries, channels]) { result in
      query.tensor.withUnsafe { rows in
        packed.withUnsafe { packedKeys, packedValues in
          guard let rows = rows.baseAddress, let result = result.baseAddress else { return }
          withUnsafePointer(to: &shape) { shape in
            pool.run(pairs * blocks) { task in
              let (pair, row) = (task / blocks, task % blocks * rowsPerTask)
              let (place, channel) = (pair / heads * queries + row, pair % heads * width)
              kernels.attend(
                shape, rows + place * query.stride + query.first + channel, row,
                min(rowsPerTask, queries - row),
                packedKeys + pair * packed.keysSize, packedValues + pair * packed.valuesSize,
                result + place * channels + channel, ThreadPool.scratch(scratchSize))
            }
          }
        }
      }
    }
  }

  /// Attention of whole tensors.
  package func attention(
    query: Tensor, key: Tensor, value: Tensor, heads: Int, causal: Bool = false, precision: Precision = .f32
  ) -> Tensor {
    attention(
      query: Channels(query), key: Channels(key), value: Channels(value), heads: heads, causal: causal,
      precision: precision)
  }
}
