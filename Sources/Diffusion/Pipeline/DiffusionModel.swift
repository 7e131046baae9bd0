import Checkpoints
import Layers
import Requests
import Tensors
import WeightCache

/// A loaded model. Most weights stay in their files until a layer needs them.
package struct DiffusionModel: Sendable {
  /// The folder or file it was loaded from.
  package let path: String
  /// SHA-256 over the model's files, in hexadecimal.
  package let digest: String
  /// The digests that a picture's text names.
  package let names: Names
  /// The precision of its networks.
  package let precision: Precision
  /// The model's name in the keys of the cache, which stands for its weights in its precision.
  package let cacheName: String
  /// Where its weights are kept.
  package let cache: PartCache
  package let family: ModelFamily
  package let prompts: PromptEncoder
  package let unet: UNet
  package let decoder: any LatentDecoder
  /// nil if its VAE has no encoder.
  package let encoder: (any LatentEncoder)?
  /// Notices about its LoRAs for the user, one line each.
  package let notices: [String]
  /// Bytes of memory that its LoRAs' factors take.
  let loraBytes: Int
  /// The model's noise schedule, from its scheduler file.
  package let schedulerConfiguration: SchedulerConfiguration

  /// Loads a Stable Diffusion 1, 2 or XL model, plain or a SegMoE mixture.
  /// - Parameters:
  ///   - folder: a folder in diffusers' layout or a single-file checkpoint.
  ///   - vae: a VAE in place of the model's own: a folder or a file, of the full or the tiny kind.
  ///   - cache: where packed experts are kept; shared by all loaded models.
  ///   - loras: fused into the weights as they are read.
  ///   - precision: the precision of the networks' products and convolutions (docs/precision.md says which).
  ///   - digests: hashes of files that were loaded before; nil: they are computed.
  ///   - halves: parts of the names of layers of the UNet that compute in bfloat16 all the same, to measure what
  ///     that gains.
  /// - Throws: `CheckpointError` for missing, damaged or misshapen files, `DiffusionError` for a
  ///   model of another kind.
  package init(
    folder: any ModelFiles, vae: String? = nil, cache: PartCache, loras: [LoRAReference] = [],
    precision: Precision = .f32, digests: DigestMemory? = nil, inHalves halves: [String] = []
  ) throws {
    path = folder.path
    self.precision = precision
    family = try ModelFamily(folder)
    let networks = try ModelWeights(folder, loras: loras, precision: precision, inHalves: halves)
    notices = networks.notices
    loraBytes = networks.loraBytes
    let autoencoder = try ModelAutoencoder(folder, replacement: vae)
    digest = try folder.digest(digests) + networks.suffix + autoencoder.suffix
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
        file: folder.path + "/unet/config.json", key: "in_channels", value: Self.inputs(shape.inputChannels))
    }
    schedulerConfiguration = try SchedulerConfiguration(folder.config(for: "scheduler"))
  }

  /// Checks that the files did not change while the model was opened. The digest was computed from paths, and the
  /// weights are read from open files; both must be the same files.
  private static func checkUnchanged(_ networks: [Weights]) throws {
    var seen: Set<String> = []
    for tensor in networks.flatMap(\.tensors.values) where seen.insert(tensor.path).inserted {
      try tensor.verifyUnchanged()
    }
  }

  /// A number of input channels that is not supported, and the models that have it.
  private static func inputs(_ channels: Int) -> String {
    let known = [5: "depth maps", 7: "upscaling", 8: "InstructPix2Pix"]
    return known[channels].map { "\(channels), for \($0)," } ?? "\(channels)"
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

  /// Whether the UNet takes a mask and the masked picture as inputs, as models for inpainting do.
  package var isInpainting: Bool { unet.configuration.inputChannels != unet.configuration.outputChannels }

  /// Bytes of all weights, experts counted separately.
  package var byteCounts: ByteCounts {
    ByteCounts(dense: prompts.byteCount + decoder.byteCount) + unet.byteCounts
  }

  /// The scheduler for a request: the one that it names, else the model's own.
  /// - Throws: `DiffusionError` if it is unknown or cannot take the step count.
  func scheduler(for request: PictureRequest) throws -> any Scheduler {
    let isOwn = request.scheduler == nil
    var configuration =
      family == .xl
      ? schedulerConfiguration
      : request.source?.mask == nil
        ? schedulerConfiguration.forStableDiffusion(ownMethod: isOwn)
        : schedulerConfiguration.forInpainting(ownMethod: isOwn)
    configuration.noiseSeed = configuration.noiseSeed ?? request.seed
    let name = try schedulerName(for: request)
    try request.render.checkSchedule(with: name)
    configuration.follow(request.render, isXL: family == .xl)
    return try name.method.scheduler(configuration, steps: request.steps)
  }
}

extension DiffusionModel {
  /// The digests of the model's files that a picture's text names: SHA-256 in hexadecimal.
  package struct Names: Sendable {
    /// Of all files of the model.
    let digest: String
    /// Of each LoRA that is fused into it.
    let loraDigests: [String]
    /// Of the VAE that replaces its own; nil without one.
    let vaeDigest: String?
  }

  /// The sampling method for a request: the one that it names, else the model's own.
  /// - Throws: `DiffusionError.unknownScheduler` if the model's own is unknown.
  package func schedulerName(for request: PictureRequest) throws -> SchedulerName {
    if let name = request.scheduler { return name }
    var own = schedulerConfiguration
    // The file's shape gives way to what is asked for, so it does not choose among the methods of its class.
    if request.render.asksForSchedule { own.sigmas.shapes = [] }
    return try SchedulerName(own: own)
  }
}
