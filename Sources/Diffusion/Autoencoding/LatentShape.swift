import Checkpoints

/// Channels and scale of a model's latents, from its configuration alone.
package struct LatentShape: Sendable, Equatable {
  package let channels: Int
  /// Pixels per latent along an edge.
  package let pixels: Int

  /// Reads the configuration of an autoencoder, full or tiny.
  /// - Throws: what `AutoencoderConfiguration` and `AutoencoderTinyConfiguration` throw.
  package init(_ config: ConfigObject) throws {
    if try config.stringIfPresent("_class_name") == AutoencoderTinyConfiguration.className {
      let tiny = try AutoencoderTinyConfiguration(config)
      (channels, pixels) = (tiny.latentChannels, tiny.pixelsPerLatent)
    } else {
      let full = try AutoencoderConfiguration(config)
      (channels, pixels) = (full.latentChannels, full.pixelsPerLatent)
    }
  }
}
