import Boundary
import Checkpoints
import Foundation
import Images
import Tensors

/// A picture that a render starts from, and a mask of the parts that are painted anew.
package struct SourcePicture: Sendable, Equatable {
  /// The picture, in its original size or in the size of the render.
  package let image: RGBImage
  /// White parts are painted anew; nil means all of it.
  package let mask: RGBImage?
  /// SHA-256 of the pixels as they were read, in hexadecimal.
  package let digest: String
  let maskDigest: String?

  /// Of pictures in memory.
  package init(image: RGBImage, mask: RGBImage? = nil) {
    self.image = image
    self.mask = mask
    digest = Self.digest(image)
    maskDigest = mask.map(Self.digest)
  }

  /// Reads the files. The pictures are kept at the size of the render, because the originals may be a hundred times
  /// as large.
  /// - Throws: `ImageError` for files that are no pictures.
  package init(imageFile: String, maskFile: String?, width: Int, height: Int) throws {
    func read(_ path: String) throws -> (picture: RGBImage, digest: String) {
      let picture = try PNGFile.readPixels(path)
      return (try picture.resized(width: width, height: height), Self.digest(picture))
    }
    (image, digest) = try read(imageFile)
    let mask = try maskFile.map(read)
    (self.mask, maskDigest) = (mask?.picture, mask?.digest)
  }

  /// Bytes of memory that reading the files takes at one time: of one the file, its pixels and those of the way to
  /// the size, which may be as many again where one edge grows.
  static func readingBytes(imageFile: String, maskFile: String?, width: Int, height: Int) throws
    -> Int
  {
    try ([imageFile] + (maskFile.map { [$0] } ?? [])).map { path in
      let pixels = try PNGFile.pixelBytes(of: path)
      let size = Int((try? Confinement.pictures.look(path))?.status.st_size ?? 0)
      return size + 2 * max(pixels, 3 * width * height)
    }.max() ?? 0
  }

  /// The picture's pixels in −1…1 at a size, `[1, height, width, 3]`.
  package func pixels(width: Int, height: Int) throws -> Tensor {
    let resized = try image.resized(width: width, height: height)
    return Tensor(
      shape: [1, height, width, 3], values: resized.pixels.map { Float($0) / 255 * 2 - 1 })
  }

  /// The mask at a size, `[1, height, width, 1]`: 1 where the picture is painted anew, else 0. nil without a mask.
  package func painted(width: Int, height: Int) throws -> Tensor? {
    guard let mask = try mask?.resized(width: width, height: height) else { return nil }
    let values = (0..<width * height).map { place -> Float in
      // Pillow's conversion to gray, with 16-bit weights.
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
