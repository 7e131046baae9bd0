import Checkpoints
import WeightCache

/// A model's VAE: a decoder from latents to pixels and, if the weights have one, an encoder from pixels to latents.
package struct Autoencoder: Sendable {
  package let decoder: any LatentDecoder
  /// nil if the VAE has no encoder.
  package let encoder: (any LatentEncoder)?

  /// Builds encoder and decoder of the class that the configuration names: `AutoencoderKL` or `AutoencoderTiny`.
  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - config: `vae/config.json`.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, `DiffusionError.unsupported` for
  ///   another class.
  package init(_ weights: Weights, _ config: ConfigObject, home: PartHome) throws {
    let hasEncoder = !weights["encoder"].isEmpty
    if try config.stringIfPresent("_class_name") == AutoencoderTinyConfiguration.className {
      let configuration = try AutoencoderTinyConfiguration(config)
      encoder = hasEncoder ? try TinyEncoder(weights, configuration) : nil
      decoder = try TinyDecoder(weights, configuration)
    } else {
      let configuration = try AutoencoderConfiguration(config)
      encoder = hasEncoder ? try AutoencoderEncoder(weights, configuration, home: home) : nil
      decoder = try AutoencoderDecoder(weights, configuration, home: home)
    }
  }
}
