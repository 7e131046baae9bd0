import Checkpoints
import WeightCache

/// A model's VAE: what turns latents into pixels and, where the weights have it, what turns pixels into latents.
package struct Autoencoder: Sendable {
  package let decoder: any LatentDecoder
  /// nil: the VAE has none.
  package let encoder: (any LatentEncoder)?

  /// Builds both of the kind that a configuration names: `AutoencoderKL` or `AutoencoderTiny`.
  /// - Parameter home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, `DiffusionError.unsupported` for
  ///   another kind.
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
