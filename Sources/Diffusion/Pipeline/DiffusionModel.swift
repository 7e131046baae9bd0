import Checkpoints
import Layers
import Requests
import Tensors
import WeightCache

/// A loaded model: everything that turns a request into a picture. Experts stay in their files
/// until the cache is asked for them.
package struct DiffusionModel: Sendable {
  /// The folder or file it was loaded from.
  package let path: String
  /// SHA-256 over the model's files, in hexadecimal.
  package let digest: String
  /// What pictures say of it.
  package let names: Names
  /// What its networks compute in.
  package let precision: Precision
  /// What the cache files this model's parts under: its weights in its precision.
  package let cacheName: String
  /// Where its weights are kept.
  package let cache: PartCache
  package let family: ModelFamily
  package let prompts: PromptEncoder
  package let unet: UNet
  package let decoder: any LatentDecoder
  /// nil: its VAE has none.
  package let encoder: (any LatentEncoder)?
  /// What a person should know of the LoRAs in it, one line each.
  package let notices: [String]
  /// The model's noise, as its scheduler file has it.
  package let schedulerConfiguration: SchedulerConfiguration

  /// Loads a Stable Diffusion 1, 2 or XL model, plain or a SegMoE mixture.
  /// - Parameters:
  ///   - folder: a folder in diffusers' layout or a single-file checkpoint.
  ///   - vae: a VAE in place of the model's own: a folder or a file, of the full or the tiny kind.
  ///   - cache: where packed experts are kept; shared by all loaded models.
  ///   - loras: fused into the weights as they are read.
  ///   - precision: of the networks' products and convolutions (docs/precision.md says which).
  ///   - halves: parts of the names of layers of the UNet that compute in bfloat16 all the same, to measure what
  ///     that gains.
  /// - Throws: `CheckpointError` for missing, damaged or misshapen files, `DiffusionError` for a
  ///   model of another kind.
  package init(
    folder: any ModelFiles, vae: String? = nil, cache: PartCache, loras: [LoRAReference] = [],
    precision: Precision = .f32, inHalves halves: [String] = []
  ) throws {
    path = folder.path
    self.precision = precision
    family = try ModelFamily(folder)
    let networks = try ModelWeights(folder, loras: loras, precision: precision, inHalves: halves)
    notices = networks.notices
    let autoencoder = try ModelAutoencoder(folder, replacement: vae)
    digest = try folder.digest() + networks.suffix + autoencoder.suffix
    names = Names(
      digest: digest, loraDigests: networks.loraDigests, vaeDigest: autoencoder.replacementDigest)
    try Self.checkUnchanged(
      [networks.unet, networks.textEncoder, networks.textEncoder2, autoencoder.weights].compactMap { $0 })
    cacheName = ([digest, "\(precision)"] + halves).joined(separator: "/")
    self.cache = cache
    let home = PartHome(model: cacheName, cache: cache)
    prompts = try PromptEncoder(folder, networks, home: home)
    let shape = try UNetConfiguration(folder.config(for: "unet"))
    try Self.check(prompts, fit: shape, folder)
    unet = try UNet(networks.unet, shape, home: home["unet"])
    if let stray = networks.unet.unusedNames().first {
      throw DiffusionError.mismatch(
        folder: folder.path,
        what: "the UNet's weights hold \(stray), which its config.json does not account for")
    }

    let vae = try Autoencoder(
      autoencoder.weights.layers(in: precision.besideUNet), autoencoder.config, home: home["vae"])
    (decoder, encoder) = (vae.decoder, vae.encoder)
    guard decoder.latentChannels == shape.outputChannels else {
      throw DiffusionError.mismatch(
        folder: autoencoder.path,
        what:
          "the UNet makes \(shape.outputChannels) latent channels, the VAE takes \(decoder.latentChannels)"
      )
    }
    guard [shape.outputChannels, 2 * shape.outputChannels + 1].contains(shape.inputChannels) else {
      throw DiffusionError.unsupported(
        file: folder.path + "/unet/config.json", key: "in_channels", value: "\(shape.inputChannels)")
    }
    schedulerConfiguration = try SchedulerConfiguration(folder.config(for: "scheduler"))
  }

  /// The digest was taken by name, the weights are read from files that are open: they must be the same.
  private static func checkUnchanged(_ networks: [Weights]) throws {
    var seen: Set<String> = []
    for tensor in networks.flatMap(\.tensors.values) where seen.insert(tensor.path).inserted {
      try tensor.verifyUnchanged()
    }
  }

  private static func check(_ prompts: PromptEncoder, fit shape: UNetConfiguration, _ folder: any ModelFiles)
    throws
  {
    guard shape.contextWidth == prompts.width else {
      throw DiffusionError.mismatch(
        folder: folder.path,
        what:
          "the UNet expects text states of width \(shape.contextWidth), the text encoders give \(prompts.width)"
      )
    }
    guard shape.added?.pooledWidth == prompts.pooledWidth else {
      throw DiffusionError.mismatch(
        folder: folder.path,
        what: "the UNet expects a pooled text of width \(shape.added?.pooledWidth ?? 0), "
          + "the text encoders give \(prompts.pooledWidth ?? 0)")
    }
  }

  /// Whether the UNet is shown a mask and the picture around it, as models for inpainting are.
  package var isInpainting: Bool { unet.configuration.inputChannels != unet.configuration.outputChannels }

  /// Bytes of all weights, those of experts apart.
  package var byteCounts: ByteCounts {
    ByteCounts(dense: prompts.byteCount + decoder.byteCount) + unet.byteCounts
  }

  /// The scheduler for a request: the one it names, else the model's own.
  /// - Throws: `DiffusionError` for one that is unknown or cannot take the step count.
  func scheduler(for request: PictureRequest) throws -> any Scheduler {
    let isOwn = request.scheduler == nil
    let configuration =
      family == .xl
      ? schedulerConfiguration
      : request.source?.mask == nil
        ? schedulerConfiguration.forStableDiffusion(ownMethod: isOwn)
        : schedulerConfiguration.forInpainting(ownMethod: isOwn)
    return try schedulerName(for: request).method.scheduler(configuration, steps: request.steps)
  }
}

extension DiffusionModel {
  /// What a picture says of the model that rendered it: SHA-256 of files, in hexadecimal.
  package struct Names: Sendable {
    /// Over all of its files.
    let digest: String
    /// Of the LoRAs that are fused into it.
    let loraDigests: [String]
    /// Of the VAE in place of its own; nil without one.
    let vaeDigest: String?
  }

  /// The sampling method for a request: the one it names, else the model's own.
  /// - Throws: `DiffusionError.unknownScheduler` if the model's own is none we know.
  package func schedulerName(for request: PictureRequest) throws -> SchedulerName {
    try request.scheduler ?? SchedulerName(own: schedulerConfiguration)
  }
}
