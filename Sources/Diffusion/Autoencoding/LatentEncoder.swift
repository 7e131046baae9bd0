import Tensors
import WeightCache

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
