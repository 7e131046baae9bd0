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
  /// Panels of keys that one task packs.
  private static let packedPanels = 64

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
  ///   - precision: the precision of the layer. Where products in bfloat16 are faster, every precision but `.f32` uses
  ///     them here too. Softmax and sums are always in single precision.
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
    let inBF16 = precision != .f32 && ProductInstructions.multiplyBF16
    let packed = PackedHeads(key: key, value: value, heads: heads, inBF16: inBF16, self)
    let attend = inBF16 ? segmoe_attend_bf16 : segmoe_attend
    let pairs = batch * heads
    let parts = cut(pairs, into: (queries + Self.queryRows - 1) / Self.queryRows, most: (queries + 11) / 12)
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
              attend(
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

  /// Keys and values of every image and head, packed as the kernel reads them.
  private struct PackedHeads {
    /// Floats (or as many bytes as they take) of one head's keys, and of its values.
    let keysSize: Int
    let valuesSize: Int
    private let keys: Tensor
    private let values: Tensor

    init(key: Channels, value: Channels, heads: Int, inBF16: Bool, _ compute: Compute) {
      let (batch, count) = (key.tensor.shape[0], key.tensor.shape[1])
      let width = key.count / heads
      let pairs = batch * heads
      keysSize =
        inBF16 ? segmoe_packed_keys_bf16_size(count, width) : segmoe_packed_keys_size(count, width)
      valuesSize =
        inBF16 ? segmoe_packed_values_bf16_size(count, width) : segmoe_packed_values_size(count, width)
      let panelKeys = Int(SEGMOE_ATTENTION_PANEL)
      let panels = (count + panelKeys - 1) / panelKeys
      let pieces = (panels + packedPanels - 1) / packedPanels
      func pack(
        _ channels: Channels, size: Int,
        _ kernel: (UnsafePointer<Float>?, Int, Int, Int, UnsafeMutableRawPointer?, Int, Int) -> Void
      ) -> Tensor {
        compute.tensor(shape: [pairs, size]) { result in
          channels.tensor.withUnsafe { source in
            guard let source = source.baseAddress, let result = result.baseAddress else { return }
            compute.pool.run(pairs * pieces) { task in
              let (pair, first) = (task / pieces, task % pieces * packedPanels)
              kernel(
                source + pair / heads * count * channels.stride + channels.first + pair % heads * width,
                channels.stride, count, width, result + pair * size, first, min(panels, first + packedPanels))
            }
          }
        }
      }
      keys = pack(key, size: keysSize, inBF16 ? segmoe_pack_keys_bf16 : segmoe_pack_keys)
      values = pack(value, size: valuesSize, inBF16 ? segmoe_pack_values_bf16 : segmoe_pack_values)
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
