import Checkpoints

/// The shape of a variational autoencoder: `vae/config.json`.
package struct AutoencoderConfiguration: Sendable {
  let imageChannels: Int
  package let latentChannels: Int
  package let widths: [Int]
  package let layers: Int
  package let groups: Int
  package let middleAttention: Bool
  let usesPostQuantConvolution: Bool
  let usesQuantConvolution: Bool
  /// Latents are divided by this before decoding.
  package let scalingFactor: Float
  /// Normalization of each latent channel, which SDXL pipelines undo before decoding; nil if there is none.
  package let normalization: LatentNormalization?

  /// Pixels per latent along an edge.
  package var pixelsPerLatent: Int { 1 << (widths.count - 1) }

  /// - Throws: `CheckpointError` from the config file, `DiffusionError.unsupported` for anything
  ///   that this engine cannot do.
  package init(_ config: ConfigObject) throws {
    func refuse(_ key: String, _ value: String) -> DiffusionError {
      .unsupported(file: config.path, key: key, value: value)
    }
    if let name = try config.stringIfPresent("_class_name"), name != "AutoencoderKL" {
      throw refuse("_class_name", name)
    }
    try config.refuseUnknown(allowed: Self.knownKeys)
    widths = try config.ints("block_out_channels", in: 1...65536)
    guard (1...8).contains(widths.count) else {
      throw refuse("block_out_channels", "\(widths)")
    }
    for (key, only) in [("up_block_types", "UpDecoderBlock2D"), ("down_block_types", "DownEncoderBlock2D")] {
      guard let types = try config.stringsIfPresent(key) else { continue }
      if let other = types.first(where: { $0 != only }) { throw refuse(key, other) }
      guard types.count == widths.count else { throw refuse(key, "\(types)") }
    }
    let activation = try config.string("act_fn", default: "silu")
    guard activation == "silu" || activation == "swish" else { throw refuse("act_fn", activation) }
    imageChannels = try config.int("out_channels", default: 3)
    guard imageChannels == 3 else { throw refuse("out_channels", "\(imageChannels)") }
    latentChannels = try config.int("latent_channels", default: 4, in: 1...65536)
    layers = try config.int("layers_per_block", default: 1, in: 1...65536)
    groups = try config.int("norm_num_groups", default: 32, in: 1...65536)
    middleAttention = try config.bool("mid_block_add_attention", default: true)
    usesQuantConvolution = try config.bool("use_quant_conv", default: true)
    usesPostQuantConvolution = try config.bool("use_post_quant_conv", default: true)
    scalingFactor = Float(try config.double("scaling_factor", default: 0.18215))
    normalization = try LatentNormalization(config, channels: latentChannels)
    guard scalingFactor.isFinite, scalingFactor != 0 else {
      throw refuse("scaling_factor", "\(scalingFactor)")
    }
  }

  /// Keys of diffusers' `AutoencoderKL`.
  private static let knownKeys: Set<String> = [
    "act_fn", "block_out_channels", "down_block_types", "force_upcast", "in_channels", "latent_channels",
    "latents_mean", "latents_std", "layers_per_block", "mid_block_add_attention", "norm_num_groups",
    "out_channels", "sample_size", "scaling_factor", "shift_factor", "up_block_types",
    "use_post_quant_conv", "use_quant_conv",
  ]
}

/// Mean and deviation of each latent channel (`latents_mean`, `latents_std`). Some SDXL models were trained with
/// latents normalized by them. Stable Diffusion 1 and 2 pipelines ignore them.
package struct LatentNormalization: Sendable, Equatable {
  package let mean: [Float]
  let deviation: [Float]

  /// - Returns: nil unless the file has both.
  /// - Throws: `CheckpointError.badConfig` for lists of the wrong length.
  init?(_ config: ConfigObject, channels: Int) throws {
    guard let mean = try config.doublesIfPresent("latents_mean"),
      let deviation = try config.doublesIfPresent("latents_std")
    else { return nil }
    for (key, list) in [("latents_mean", mean), ("latents_std", deviation)] where list.count != channels {
      throw config.error(key, "has \(list.count) entries, expected \(channels)")
    }
    self.mean = mean.map { Float($0) }
    self.deviation = deviation.map { Float($0) }
  }
}
