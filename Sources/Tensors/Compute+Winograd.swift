import CKernels

extension Compute {
  /// Tiles of 4×4 outputs of one task, at most.
  private static let winogradTiles = 48
  /// Panels of 16 outputs of one task.
  private static let winogradPanels = 2
  /// Floats of transformed inputs held at a time: they stay in the last cache.
  private static let winogradFloats = 2 << 20

  /// A 3×3 convolution of stride 1 with a row and column of zeros all around, channels last, by
  /// Winograd's F(4×4, 3×3).
  /// - Parameters:
  ///   - x: `[batch, height, width, in]`.
  ///   - bias: `[out]`, or `[batch, out]` for one per image.
  ///   - residual: added to the result; of its shape.
  ///   - size: enlarges `x` to this size on the way in, as `resizeNearest` does.
  /// - Returns: `[batch, height, width, out]`.
  package func convolution(
    _ x: Tensor, _ weight: WinogradWeight, bias: Tensor?, adding residual: Tensor? = nil,
    enlargedTo size: (height: Int, width: Int)? = nil
  ) -> Tensor {
    let batch = x.shape[0]
    let (height, width) = size ?? (x.shape[1], x.shape[2])
    precondition(x.shape[3] == weight.inputs, "\(x.shape) convolved from \(weight.inputs) channels")
    let timing = self.timing(
      .convolution,
      "3×3 \(weight.inputs)→\(weight.outputs), \(batch)×\(height)×\(width)")
    defer { timing?.end() }
    work.add(2 * batch * height * width * 9 * weight.inputs * weight.outputs)
    let shape = segmoe_convolution(
      height: height, width: width, source_height: x.shape[1], source_width: x.shape[2],
      inputs: weight.inputs, outputs: weight.outputs, half_weight: weight.isHalf ? 1 : 0)
    // Transformed inputs, a chunk at a time, beside the result.
    plan?.touch(
      (2 * Self.winogradFloats + batch * height * width * weight.outputs) * MemoryLayout<Float>.stride)
    return tensor(shape: [batch, height, width, weight.outputs]) { result in
      x.withUnsafe { x in
        weight.withBytes { panels in
          Self.withOptional(bias) { biasBase in
            Self.withOptional(residual) { residual in
              guard let x = x.baseAddress, let panels = panels.baseAddress,
                let result = result.baseAddress
              else { return }
              let perImage = (bias?.count ?? 0) > weight.outputs
              winograd(
                shape, batch: batch, x, panels,
                segmoe_epilogue(
                  bias: biasBase, bias_stride: perImage ? weight.outputs : 0, residual: residual),
                into: result)
            }
          }
        }
      }
    }
  }

  /// Chunk by chunk: transforms the inputs of all its tiles, then multiplies.
  private func winograd(
    _ shape: segmoe_convolution, batch: Int, _ x: UnsafePointer<Float>,
    _ panels: UnsafeRawPointer, _ epilogue: segmoe_epilogue,
    into result: UnsafeMutablePointer<Float>
  ) {
    let (tiles, panelCount) = withUnsafePointer(to: shape) {
      (batch * segmoe_winograd_tiles($0), ($0.pointee.outputs + 15) / 16)
    }
    let held = max(1, Self.winogradFloats / (36 * shape.inputs * Self.winogradTiles)) * Self.winogradTiles
    let chunks = (tiles + held - 1) / held
    let groups = (panelCount + Self.winogradPanels - 1) / Self.winogradPanels
    let scratchSize = segmoe_winograd_scratch(Self.winogradPanels, Self.winogradTiles)
    let most = (tiles + chunks - 1) / chunks
    let size = withUnsafePointer(to: shape) { segmoe_winograd_input_size($0, most) }
    let buffer = MemoryBlock(byteCount: size * MemoryLayout<Float>.stride)
    defer { withExtendedLifetime(buffer) {} }
    let transformed = buffer.base.bindMemory(to: Float.self, capacity: size)
    for chunk in 0..<chunks {
      let first = chunk * tiles / chunks
      let count = (chunk + 1) * tiles / chunks - first
      forEachRange(count, grain: max(1, 4096 / shape.inputs)) { range in
        withUnsafePointer(to: shape) { shape in
          for tile in range { segmoe_winograd_input(shape, x, first, tile, count, transformed) }
        }
      }
      let parts = (count + Self.winogradTiles - 1) / Self.winogradTiles
      pool.run(groups * parts) { task in
        let panel = task / parts * Self.winogradPanels
        let start = task % parts * count / parts
        let end = (task % parts + 1) * count / parts
        withUnsafePointer(to: shape) { shape in
          withUnsafePointer(to: epilogue) { epilogue in
            withUnsafeTemporaryAllocation(byteCount: scratchSize * 4, alignment: 64) { scratch in
              segmoe_winograd_multiply(
                shape, epilogue, panels, panel, min(Self.winogradPanels, panelCount - panel),
                transformed, first, count, start, end - start, result,
                scratch.baseAddress?.assumingMemoryBound(to: Float.self))
            }
          }
        }
      }
    }
  }

  private static func withOptional(_ tensor: Tensor?, _ body: (UnsafePointer<Float>?) -> Void) {
    guard let tensor else { return body(nil) }
    tensor.withUnsafe { body($0.baseAddress) }
  }
}
