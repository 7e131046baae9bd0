import Images
import Tensors

/// Small pictures made of latents alone, a pixel of each latent: red, green and blue are weighted sums of its channels.
/// A few thousand multiplications show colours and shapes, where the decoder would take as long as a step.
///
/// The weights are those that ComfyUI publishes (`comfy/latent_formats.py`, `latent_rgb_factors`). They were fitted to
/// latents and the pixels that the VAE of the family makes of them.
package struct LatentPreview: Sendable {
  /// What each channel adds to red, green and blue, channel by channel. Colours are −1…1.
  private let weights: [Float]
  /// What a latent of zeros looks like.
  private let offsets: [Float]

  /// Channels of the latents of all families.
  private static let channels = 4

  /// The longest side of a preview in pixels. Larger latents, of pictures above 4096 pixels, are made smaller.
  private static let longest = 512

  /// How latents of a family look.
  /// - Parameters:
  ///   - family: of the model.
  ///   - isNormalized: whether its VAE normalizes each channel, as that of Playground 2.5 does.
  package init(_ family: ModelFamily, isNormalized: Bool = false) {
    switch family {
    case .sd:
      weights = [
        0.3512, 0.2297, 0.3227,
        0.3250, 0.4974, 0.2350,
        -0.2829, 0.1762, 0.2721,
        -0.2120, -0.2616, -0.7177,
      ]
      offsets = [0, 0, 0]
    case .xl where isNormalized:
      weights = [
        0.3920, 0.4054, 0.4549,
        -0.2634, -0.0196, 0.0653,
        0.0568, 0.1687, -0.0755,
        -0.3112, -0.2359, -0.2076,
      ]
      offsets = [0, 0, 0]
    case .xl:
      weights = [
        0.3651, 0.4232, 0.4341,
        -0.2533, -0.0042, 0.1068,
        0.1076, 0.1111, -0.0362,
        -0.3165, -0.2492, -0.2188,
      ]
      offsets = [0.1084, -0.0175, -0.0011]
    }
  }

  /// How the latents of a model look; nil if they have another number of channels than the family's.
  init?(of model: DiffusionModel) {
    guard model.decoder.latentChannels == Self.channels else { return nil }
    self.init(model.family, isNormalized: model.encoder?.normalization != nil)
  }

  /// The picture of clean latents at the UNet's scale, `[1, height, width, 4]`.
  /// - Throws: `ImageError.badSize` for latents of another shape.
  package func callAsFunction(_ latents: Tensor) throws -> RGBImage {
    let shape = latents.shape
    guard shape.count == 4, shape[0] == 1, shape[3] == Self.channels else {
      throw ImageError.badSize(
        width: shape.dropFirst(2).first ?? 0, height: shape.dropFirst().first ?? 0, bytes: latents.count)
    }
    var pixels = [UInt8](repeating: 0, count: shape[1] * shape[2] * 3)
    latents.withUnsafe { latents in
      for place in 0..<shape[1] * shape[2] {
        for colour in 0..<3 {
          var sum = offsets[colour]
          for channel in 0..<Self.channels {
            sum += latents[place * Self.channels + channel] * weights[channel * 3 + colour]
          }
          pixels[place * 3 + colour] = Self.byte(sum)
        }
      }
    }
    let picture = try RGBImage(width: shape[2], height: shape[1], pixels: pixels)
    let side = max(picture.width, picture.height)
    guard side > Self.longest else { return picture }
    return try picture.resized(
      width: max(1, picture.width * Self.longest / side), height: max(1, picture.height * Self.longest / side)
    )
  }

  /// A colour of −1…1 in 8 bits. What is not a number is black: a broken render must not end more than itself.
  private static func byte(_ colour: Float) -> UInt8 {
    let level = ((colour + 1) * 127.5).rounded(.toNearestOrEven)
    return level > 0 ? UInt8(min(255, level)) : 0
  }
}
