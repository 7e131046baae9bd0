import CKernels

/// Keys and values of every image and head, packed as the kernels of attention read them.
struct PackedHeads {
  /// Panels of keys that one task packs: whole blocks of int8.
  private static let packedPanels = 64

  /// Floats (or as many bytes as they take) of one head's keys, and of its values.
  let keysSize: Int
  let valuesSize: Int
  private let keys: Tensor
  private let values: Tensor

  /// - Parameters:
  ///   - key: heads·width channels of `[batch, keys, …]`.
  ///   - value: as many channels of `[batch, keys, …]`.
  ///   - heads: how many the channels are split into.
  ///   - kernels: what packs, and reads what is packed.
  ///   - compute: where it is packed.
  init(key: Channels, value: Channels, heads: Int, _ kernels: AttentionKernels, _ compute: Compute) {
    let (batch, count) = (key.tensor.shape[0], key.tensor.shape[1])
    let width = key.count / heads
    let pairs = batch * heads
    keysSize = kernels.keys.size(count, width)
    valuesSize = kernels.values.size(count, width)
    let panelKeys = Int(SEGMOE_ATTENTION_PANEL)
    let panels = (count + panelKeys - 1) / panelKeys
    let pieces = (panels + Self.packedPanels - 1) / Self.packedPanels
    func pack(_ channels: Channels, size: Int, _ packing: AttentionKernels.Packing) -> Tensor {
      compute.tensor(shape: [pairs, size]) { result in
        channels.tensor.withUnsafe { source in
          guard let source = source.baseAddress, let result = result.baseAddress else { return }
          func start(_ pair: Int) -> UnsafePointer<Float> {
            source + pair / heads * count * channels.stride + channels.first + pair % heads * width
          }
          if let measure = packing.measure {
            compute.pool.run(pairs) { pair in
              measure(start(pair), channels.stride, count, width, result + pair * size)
            }
          }
          compute.pool.run(pairs * pieces) { task in
            let (pair, first) = (task / pieces, task % pieces * Self.packedPanels)
            packing.pack(
              start(pair), channels.stride, count, width, result + pair * size, first,
              min(panels, first + Self.packedPanels))
          }
        }
      }
    }
    keys = pack(key, size: keysSize, kernels.keys)
    values = pack(value, size: valuesSize, kernels.values)
  }

  /// Lends both.
  func withUnsafe(_ body: (UnsafePointer<Float>, UnsafePointer<Float>) -> Void) {
    keys.withUnsafe { keys in
      values.withUnsafe { values in
        guard let keys = keys.baseAddress, let values = values.baseAddress else { return }
        body(keys, values)
      }
    }
  }
}
