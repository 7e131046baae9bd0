import Tensors
import WeightCache

/// The decoder of an autoencoder, which turns latents into pixels. There is a full and a tiny one.
package protocol LatentDecoder: Sendable {
  /// Channels of the latents.
  var latentChannels: Int { get }
  /// Pixels per latent along an edge.
  var pixelsPerLatent: Int { get }
  /// Bytes of all weights.
  var byteCount: Int { get }
  /// Decodes latents at the UNet's scale, `[batch, height, width, latent]`, to pixels,
  /// `[batch, height·f, width·f, 3]`. Values in range are −1…1.
  /// - Parameters:
  ///   - latents: at the UNet's scale.
  ///   - undoingNormalization: whether the VAE's `LatentNormalization`, if it has one, is undone first, as SDXL
  ///     pipelines do.
  ///   - pass: where it is computed.
  /// - Throws: what reading weights throws.
  func callAsFunction(_ latents: Tensor, undoingNormalization: Bool, _ pass: ForwardPass) throws -> Tensor
  /// Whether decoding can be split in two: `atLatentSize` for all latents, then `toPixels` tile by tile.
  var canTile: Bool { get }
  /// The first part of decoding, at the latents' own size: `[batch, height, width, latent]` to
  /// `[batch, height, width, channel]`.
  /// - Throws: what reading weights throws.
  func atLatentSize(_ latents: Tensor, undoingNormalization: Bool, _ pass: ForwardPass) throws -> Tensor
  /// The second part of decoding: from the result of `atLatentSize` to pixels.
  /// - Throws: what reading weights throws.
  func toPixels(_ features: Tensor, _ pass: ForwardPass) throws -> Tensor
}

/// The encoder of an autoencoder, which turns pixels into latents. There is a full and a tiny one.
package protocol LatentEncoder: Sendable {
  /// How many channels of `callAsFunction`'s result are the latents' mean. Any further channels are the logarithm of
  /// their variance.
  var latentChannels: Int { get }
  /// Encoded latents are multiplied by this before the UNet sees them.
  var scalingFactor: Float { get }
  /// Normalization of each latent channel, which SDXL's img2img pipeline applies; nil if there is none.
  var normalization: LatentNormalization? { get }
  /// Encodes pixels in −1…1, `[1, height, width, 3]`, to latents, `[1, height/f, width/f, latent]`. An encoder whose
  /// latents are random gives twice the channels: means, then logarithms of variances.
  /// - Throws: what reading weights throws.
  func callAsFunction(_ pixels: Tensor, _ pass: ForwardPass) throws -> Tensor
}
