import Images
import Tensors

extension RGBImage {
  /// A decoder's pixels as a picture: x/2 + 0.5, clamped to 0…1, times 255. Halves are rounded to even, as in numpy.
  /// - Parameters:
  ///   - pixels: in −1…1, `[1, height, width, 3]`.
  ///   - stage: what has made them, for the message.
  /// - Throws: `DiffusionError.notFinite`, `ImageError`
  init(decoded pixels: Tensor, by stage: String) throws {
    guard pixels.isFinite else { throw DiffusionError.notFinite(stage: stage) }
    let bytes = pixels.withUnsafe { values in
      values.map { UInt8((max(0, min(1, $0 / 2 + 0.5)) * 255).rounded(.toNearestOrEven)) }
    }
    try self.init(width: pixels.shape[2], height: pixels.shape[1], pixels: bytes)
  }
}

extension Tensor {
  /// Whether no element is infinite or not a number.
  package var isFinite: Bool { withUnsafe { $0.allSatisfy(\.isFinite) } }
}
