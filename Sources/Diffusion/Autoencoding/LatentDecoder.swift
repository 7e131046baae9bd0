import Tensors
import WeightCache

/// What turns latents into pixels: the decoder of an autoencoder of either kind.
package protocol LatentDecoder: Sendable {
  /// Channels of the latents.
  var latentChannels: Int { get }
  /// Pixels along an edge of what one latent covers.
  var pixelsPerLatent: Int { get }
  /// Bytes of all weights.
  var byteCount: Int { get }
  /// `[batch, height, width, latent]` as the UNet works on them, to
  /// `[batch, height·f, width·f, 3]`, −1…1 where the picture is in range.
  /// - Parameter undoingNormalization: as SDXL pipelines do it, where the VAE has one.
  /// - Throws: what reading weights throws.
  func callAsFunction(_ latents: Tensor, undoingNormalization: Bool, _ pass: ForwardPass) throws -> Tensor
  /// Whether it can be run in two halves: the first on all latents, the second tile by tile.
  var canTile: Bool { get }
  /// What is done at the latents' own size, `[batch, height, width, latent]` to
  /// `[batch, height, width, channel]`.
  /// - Throws: what reading weights throws.
  func atLatentSize(_ latents: Tensor, undoingNormalization: Bool, _ pass: ForwardPass) throws -> Tensor
  /// What follows, up to pixels.
  /// - Throws: what reading weights throws.
  func toPixels(_ features: Tensor, _ pass: ForwardPass) throws -> Tensor
}
