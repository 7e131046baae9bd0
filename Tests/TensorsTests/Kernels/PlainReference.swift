import Tensors

/// A convolution in plain loops and double precision, channels last.
/// - Parameters:
///   - x: `[batch, height, width, in]` with `size` = (batch, height, width, in).
///   - weight: `[out, in, kernel, kernel]`, as torch has it; `bias`: `[out]`.
/// - Returns: `[batch, height', width', out]`.
func referenceConvolution(
  _ x: [Float], size: (batch: Int, height: Int, width: Int, inputs: Int), _ weight: [Float], bias: [Float],
  _ shape: ConvolutionShape
) -> [Double] {
  let (height, width, inputs, kernel) = (size.height, size.width, size.inputs, shape.kernel)
  let outputs = bias.count
  let (x, weight) = (x.map(Double.init), weight.map(Double.init))
  var result: [Double] = []
  for image in 0..<size.batch {
    for y in 0..<shape.outputSize(height) {
      for column in 0..<shape.outputSize(width) {
        for output in 0..<outputs {
          var sum = Double(bias[output])
          for tap in 0..<kernel * kernel {
            let sourceY = y * shape.stride + tap / kernel - shape.padding.before
            let sourceX = column * shape.stride + tap % kernel - shape.padding.before
            guard (0..<height).contains(sourceY), (0..<width).contains(sourceX) else { continue }
            let pixel = ((image * height + sourceY) * width + sourceX) * inputs
            let filter = output * inputs * kernel * kernel + tap
            for input in 0..<inputs {
              sum += x[pixel + input] * weight[filter + input * kernel * kernel]
            }
          }
          result.append(sum)
        }
      }
    }
  }
  return result
}

/// The largest |a − b| over the largest |b|.
func worstError(_ a: [Float], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  let scale = b.map(abs).max() ?? 1
  return (zip(a, b).map { abs(Double($0) - $1) }.max() ?? 0) / max(scale, 1e-30)
}
