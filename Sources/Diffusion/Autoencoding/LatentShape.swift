import Checkpoints

/// What latents look like, told without the weights.
package struct LatentShape: Sendable, Equatable {
  package let channels: Int
  /// Along an edge of what one latent covers.
  package let pixels: Int

  /// Of an autoencoder of either kind. Errors: those of its configuration.
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
