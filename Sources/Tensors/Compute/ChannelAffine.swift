import CKernels

/// A scale and a shift for each channel of each image, and perhaps SiLU after them: what is left of a group normalization once
/// its sums are taken. Whatever reads the tensor next can do it on the way, and no normalized tensor goes through memory.
package struct ChannelAffine: Sendable {
  /// `[image, channel]`; empty in a plan.
  var scale: [Float] = []
  var shift: [Float] = []
  let channels: Int
  /// Positions of each image.
  let positions: Int
  /// Whether SiLU follows.
  let silu: Bool

  init(channels: Int, positions: Int, silu: Bool) {
    self.channels = channels
    self.positions = positions
    self.silu = silu
  }

  /// result = x · scale + shift, or SiLU of it, `[position, channel]`. The bits of a position do not depend on the others.
  /// - Parameters:
  ///   - x: the first of the positions.
  ///   - range: the positions, counted through all images.
  ///   - result: may not overlap `x`.
  func apply(
    to x: UnsafePointer<Float>, positions range: Range<Int>, into result: UnsafeMutablePointer<Float>
  ) {
    scale.withUnsafeBufferPointer { scale in
      shift.withUnsafeBufferPointer { shift in
        guard let scale = scale.baseAddress, let shift = shift.baseAddress else { return }
        var first = range.lowerBound
        while first < range.upperBound {
          let image = first / positions
          let count = min(range.upperBound, (image + 1) * positions) - first
          let start = (first - range.lowerBound) * channels
          segmoe_scale_shift(
            x + start, result + start, count, channels, scale + image * channels, shift + image * channels,
            silu ? 1 : 0)
          first += count
        }
      }
    }
  }
}
