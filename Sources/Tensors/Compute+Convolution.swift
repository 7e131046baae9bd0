import CKernels

/// The geometry of a square two-dimensional convolution.
package struct ConvolutionShape: Sendable, Equatable {
  package let kernel: Int
  package let stride: Int
  /// Zeros added before the first row and column, and after the last ones.
  package let padding: (before: Int, after: Int)

  package init(kernel: Int, stride: Int = 1, padding: (before: Int, after: Int)) {
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
  }

  /// The usual one: as many zeros as keep the size at stride 1.
  package init(kernel: Int, stride: Int = 1) {
    self.init(kernel: kernel, stride: stride, padding: (kernel / 2, kernel / 2))
  }

  package static func == (a: Self, b: Self) -> Bool {
    a.kernel == b.kernel && a.stride == b.stride && a.padding == b.padding
  }

  /// Rows (or columns) that come out for `size` that go in.
  package func outputSize(_ size: Int) -> Int {
    (size + padding.before + padding.after - kernel) / stride + 1
  }
}

extension Compute {
  /// Bytes of gathered input that one task of a convolution holds: it fits a second-level cache.
  private static let gatherBytes = 1 << 19

  /// A convolution, channels last, as products of gathered rows with the packed weight.
  /// - Parameters:
  ///   - x: `[batch, height, width, in]`.
  ///   - weight: `[out, kernel·kernel·in]`, the taps in row-major order, channels innermost.
  ///   - bias: `[out]`.
  /// - Returns: `[batch, height', width', out]`.
  package func convolution(
    _ x: Tensor, weight: Tensor, bias: Tensor?, shape: ConvolutionShape
  ) -> Tensor {
    let (batch, height, width, inputs) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    if shape.kernel == 1 && shape.stride == 1 { return linear(x, weight: weight, bias: bias) }
    let outputs = weight.shape[0]
    let (outHeight, outWidth) = (shape.outputSize(height), shape.outputSize(width))
    let timing = self.timing(
      .convolution,
      "\(shape.kernel)×\(shape.kernel) \(inputs)→\(outputs), \(batch)×\(outHeight)×\(outWidth)")
    defer { timing?.end() }
    let depth = shape.kernel * shape.kernel * inputs
    let rows = batch * outHeight * outWidth
    work.add(2 * rows * depth * outputs)
    let block = max(16, min(384, Self.gatherBytes / (depth * 4) / 16 * 16))
    return tensor(shape: [batch, outHeight, outWidth, outputs]) { result in
      x.withUnsafe { x in
        weight.withUnsafe { weight in
          guard let x = x.baseAddress, let weight = weight.baseAddress,
            let result = result.baseAddress
          else { return }
          forEachRange(rows, grain: block) { range in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count * depth) { gathered in
              guard let gathered = gathered.baseAddress else { return }
              for (slot, row) in range.enumerated() {
                let (image, position) = (row / (outHeight * outWidth), row % (outHeight * outWidth))
                Self.gather(
                  x + image * height * width * inputs, size: (height, width, inputs),
                  top: position / outWidth * shape.stride - shape.padding.before,
                  left: position % outWidth * shape.stride - shape.padding.before,
                  kernel: shape.kernel, into: gathered + slot * depth)
              }
              let target = result + range.lowerBound * outputs
              multiply(
                MatrixView(gathered, rows: range.count, columns: depth),
                MatrixView(weight, rows: outputs, columns: depth), transposed: true, into: target,
                stride: outputs)
              bias?.withUnsafe { bias in
                guard let bias = bias.baseAddress else { return }
                segmoe_add_row(bias, target, range.count, outputs)
              }
            }
          }
        }
      }
    }
  }

  /// Copies the taps of one output position, zeros where they lie outside the picture.
  private static func gather(
    _ image: UnsafePointer<Float>, size: (height: Int, width: Int, channels: Int), top: Int,
    left: Int, kernel: Int, into taps: UnsafeMutablePointer<Float>
  ) {
    let channels = size.channels
    let first = max(0, -left)
    let last = min(kernel, size.width - left)
    for ky in 0..<kernel {
      let target = taps + ky * kernel * channels
      let y = top + ky
      if y < 0 || y >= size.height || last <= first {
        target.update(repeating: 0, count: kernel * channels)
        continue
      }
      if first > 0 { target.update(repeating: 0, count: first * channels) }
      (target + first * channels).update(
        from: image + (y * size.width + left + first) * channels, count: (last - first) * channels)
      if last < kernel {
        (target + last * channels).update(repeating: 0, count: (kernel - last) * channels)
      }
    }
  }
}
