import Foundation

extension RGBImage {
  /// The picture at another size, by Lanczos's filter of three lobes. The bytes are those of Pillow's
  /// `Image.resize(size, LANCZOS)`. It computes in 8 bits with coefficients of 22 bits, first along rows, then along
  /// columns. If the picture gets wider and lower, columns come first, as in Pillow 13.
  /// - Throws: `ImageError.badSize`
  package func resized(width: Int, height: Int) throws(ImageError) -> RGBImage {
    if width == self.width && height == self.height { return self }
    guard RGBImage.byteCount(width: width, height: height) != nil else {
      throw ImageError.badSize(width: width, height: height, bytes: 0)
    }
    if width > self.width && height < self.height {
      return try filtered(height: height).filtered(width: width)
    }
    return try filtered(width: width).filtered(height: height)
  }

  private func filtered(width: Int) throws(ImageError) -> RGBImage {
    if width == self.width { return self }
    let filter = LanczosFilter(from: self.width, to: width)
    return try RGBImage(
      width: width, height: height,
      pixels: filter.apply(
        pixels, lines: height, lineStride: self.width * 3, step: 3, resultStride: width * 3, resultStep: 3))
  }

  private func filtered(height: Int) throws(ImageError) -> RGBImage {
    if height == self.height { return self }
    let filter = LanczosFilter(from: self.height, to: height)
    return try RGBImage(
      width: width, height: height,
      pixels: filter.apply(
        pixels, lines: width, lineStride: 3, step: width * 3, resultStride: 3, resultStep: width * 3))
  }
}

/// The weights of the old pixels in each new pixel, along one axis (Pillow's `precompute_coeffs`).
private struct LanczosFilter {
  private static let lobes = 3.0
  private static let bits = 22

  /// For each new pixel, the first old one and the weights from there.
  private let taps: [(first: Int, weights: [Int32])]

  init(from old: Int, to new: Int) {
    let scale = Double(old) / Double(new)
    // When a picture is enlarged, the filter keeps its width. When it is shrunk, the filter grows with the scale.
    let stretch = max(1, scale)
    let support = Self.lobes * stretch
    taps = (0..<new).map { place in
      let center = (Double(place) + 0.5) * scale
      let first = max(0, Int(center - support + 0.5))
      let last = min(old, Int(center + support + 0.5))
      let values = (first..<last).map { Self.lanczos((Double($0) - center + 0.5) / stretch) }
      let sum = values.reduce(0, +)
      let weights = values.map { value -> Int32 in
        let scaled = (sum == 0 ? value : value / sum) * Double(1 << Self.bits)
        return Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
      }
      return (first, weights)
    }
  }

  private static func lanczos(_ x: Double) -> Double {
    guard x >= -lobes, x < lobes else { return 0 }
    return sinc(x) * sinc(x / lobes)
  }

  private static func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(x * .pi) / (x * .pi) }

  /// Filters `lines` lines of three channels.
  func apply(
    _ source: [UInt8], lines: Int, lineStride: Int, step: Int, resultStride: Int, resultStep: Int
  ) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: lines * taps.count * 3)
    source.withUnsafeBufferPointer { source in
      result.withUnsafeMutableBufferPointer { result in
        for line in 0..<lines {
          for (place, tap) in taps.enumerated() {
            for channel in 0..<3 {
              var sum: Int32 = 1 << (Self.bits - 1)
              var position = line * lineStride + tap.first * step + channel
              for weight in tap.weights {
                sum &+= Int32(source[position]) &* weight
                position += step
              }
              let value = sum >> Self.bits
              result[line * resultStride + place * resultStep + channel] = UInt8(max(0, min(255, value)))
            }
          }
        }
      }
    }
    return result
  }
}
