import Tensors
import WeightCache

/// What turns pixels into latents: the encoder of an autoencoder of either kind.
package protocol LatentEncoder: Sendable {
  /// Channels of what `callAsFunction` gives that are the latents' mean; the rest is the logarithm of their
  /// variance.
  var latentChannels: Int { get }
  /// Latents are multiplied by this for the UNet.
  var scalingFactor: Float { get }
  /// What SDXL's img2img takes out of each channel as well; nil: nothing.
  var normalization: LatentNormalization? { get }
  /// `[1, height, width, 3]`, −1…1, to `[1, height/f, width/f, latent]`, or twice the channels where the
  /// latents are drawn: means, then logarithms of variances.
  /// - Throws: what reading weights throws.
  func callAsFunction(_ pixels: Tensor, _ pass: ForwardPass) throws -> Tensor
}
