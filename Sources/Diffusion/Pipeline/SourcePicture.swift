import Checkpoints
import Images
import Tensors

/// A picture that a render starts from, and which of its parts are painted anew.
package struct SourcePicture: Sendable, Equatable {
  /// As it was read.
  package let image: RGBImage
  /// White parts are painted anew; nil: all of it.
  package let mask: RGBImage?
  /// 0…1: how much noise the picture gets, and so how many of the steps are taken.
  package let strength: Float
  /// SHA-256 of the pixels, in hexadecimal.
  package let digest: String
  package let maskDigest: String?

  /// - Throws: `DiffusionError.setting` for a strength that is none.
  package init(image: RGBImage, mask: RGBImage? = nil, strength: Float) throws {
    guard strength > 0, strength <= 1 else {
      throw DiffusionError.setting(name: "strength", value: "\(strength)", allowed: "above 0, up to 1")
    }
    self.image = image
    self.mask = mask
    self.strength = strength
    digest = Self.digest(image)
    maskDigest = mask.map(Self.digest)
  }

  /// Reads the files.
  /// - Throws: `ImageError` for files that are no pictures, and that of `init`.
  package init(imageFile: String, maskFile: String?, strength: Float) throws {
    try self.init(
      image: PNGFile.read(imageFile).image, mask: maskFile.map { try PNGFile.read($0).image },
      strength: strength)
  }

  /// Steps of `steps` that are left out (diffusers' `get_timesteps`).
  /// - Throws: `DiffusionError.setting` if none is left.
  func skippedSteps(of steps: Int) throws -> Int {
    // In double, as Python multiplies.
    let taken = min(steps, Int(Double(steps) * (Double("\(strength)") ?? Double(strength))))
    guard taken > 0 else {
      throw DiffusionError.setting(
        name: "strength", value: "\(strength)", allowed: "at least \(1 / Float(steps)) with \(steps) steps")
    }
    return steps - taken
  }

  /// The picture at a size, −1…1, `[1, height, width, 3]`.
  func pixels(width: Int, height: Int) throws -> Tensor {
    let resized = try image.resized(width: width, height: height)
    return Tensor(
      shape: [1, height, width, 3], values: resized.pixels.map { Float($0) / 255 * 2 - 1 })
  }

  /// 1 where the picture is painted anew, 0 elsewhere, `[1, height, width, 1]`; nil without a mask.
  func painted(width: Int, height: Int) throws -> Tensor? {
    guard let mask = try mask?.resized(width: width, height: height) else { return nil }
    let values = (0..<width * height).map { place -> Float in
      // Pillow's gray: weights of 16 bits, rounded.
      let (red, green, blue) = (
        mask.pixels[place * 3], mask.pixels[place * 3 + 1], mask.pixels[place * 3 + 2]
      )
      let gray = (Int(red) * 19595 + Int(green) * 38470 + Int(blue) * 7471 + 0x8000) >> 16
      return Float(gray) / 255 >= 0.5 ? 1 : 0
    }
    return Tensor(shape: [1, height, width, 1], values: values)
  }

  private static func digest(_ image: RGBImage) -> String {
    var digest = Digest()
    digest.add(Array("\(image.width)x\(image.height)\n".utf8))
    digest.add(image.pixels)
    return digest.hexadecimal()
  }
}

/// In the key of a checkpoint: what the picture is, not all of its pixels.
extension SourcePicture: CustomDebugStringConvertible {
  package var debugDescription: String { "\(digest) \(maskDigest ?? "-") \(strength)" }
}
