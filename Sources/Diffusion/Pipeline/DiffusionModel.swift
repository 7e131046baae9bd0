import Checkpoints
import Experts
import Layers
import Tensors

/// A loaded model: everything that turns a request into a picture. Experts stay in their files
/// until the cache is asked for them.
package struct DiffusionModel: Sendable {
  /// The folder it was loaded from.
  package let path: String
  /// SHA-256 over the model's files, in hexadecimal.
  package let digest: String
  package let tokenizer: CLIPTokenizer
  package let textEncoder: CLIPTextEncoder
  package let unet: UNet
  package let decoder: AutoencoderDecoder
  /// The model's noise, as its scheduler file has it.
  package let schedulerConfiguration: SchedulerConfiguration

  /// Loads a diffusers folder of the SD1.5 kind, plain or a SegMoE mixture.
  /// - Parameters:
  ///   - cache: where packed experts are kept; shared by all loaded models.
  ///   - loras: fused into the weights as they are read.
  /// - Throws: `CheckpointError` for missing, damaged or misshapen files, `DiffusionError` for a
  ///   model of another kind.
  package init(folder: ModelFolder, cache: ExpertCache, loras: [LoRASetting] = []) throws {
    path = folder.path
    guard Self.pipelines.contains(folder.pipelineClass) else {
      throw DiffusionError.unsupported(
        file: folder.index.path, key: "_class_name", value: folder.pipelineClass)
    }
    let networks = try ModelWeights(folder, loras: loras)
    digest = try folder.digest() + networks.suffix
    tokenizer = try CLIPTokenizer(folder: folder.component("tokenizer"))

    let text = try CLIPTextConfiguration(folder.config(for: "text_encoder"))
    textEncoder = try CLIPTextEncoder(networks.textEncoder, text)

    let shape = try UNetConfiguration(folder.config(for: "unet"))
    guard shape.contextWidth == text.width else {
      throw DiffusionError.mismatch(
        folder: folder.path,
        what:
          "the UNet expects text states of width \(shape.contextWidth), the text encoder gives \(text.width)")
    }
    unet = try UNet(networks.unet, shape, model: digest, cache: cache)
    if let stray = networks.unet.unusedNames().first {
      throw DiffusionError.mismatch(
        folder: folder.path,
        what: "the UNet's weights hold \(stray), which its config.json does not account for")
    }

    let autoencoder = try AutoencoderConfiguration(folder.config(for: "vae"))
    guard autoencoder.latentChannels == shape.outputChannels else {
      throw DiffusionError.mismatch(
        folder: folder.path,
        what:
          "the UNet makes \(shape.outputChannels) latent channels, the VAE takes \(autoencoder.latentChannels)"
      )
    }
    guard shape.inputChannels == shape.outputChannels else {
      throw DiffusionError.unsupported(
        file: folder.path + "/unet/config.json", key: "in_channels", value: "\(shape.inputChannels)")
    }
    decoder = try AutoencoderDecoder(folder.weights(for: "vae"), autoencoder)
    schedulerConfiguration = try SchedulerConfiguration(folder.config(for: "scheduler"))
  }

  /// Pipelines that this engine runs.
  private static let pipelines: Set<String> = ["StableDiffusionPipeline"]

  /// Bytes of weights that stay in memory: all but the experts.
  package var residentBytes: Int {
    textEncoder.residentBytes + unet.residentBytes + decoder.residentBytes
  }

  /// The scheduler for a request: the one it names, else the model's own.
  /// - Throws: `DiffusionError` for one that is unknown or cannot take the step count.
  func scheduler(for request: RenderRequest) throws -> any Scheduler {
    try schedulerName(for: request).scheduler(
      schedulerConfiguration.forStableDiffusion(ownMethod: request.scheduler == nil),
      steps: request.steps)
  }
}

extension DiffusionModel {
  /// The sampling method for a request: the one it names, else the model's own.
  /// - Throws: `DiffusionError.unknownScheduler` if the model's own is none we know.
  package func schedulerName(for request: RenderRequest) throws -> SchedulerName {
    try request.scheduler ?? SchedulerName(own: schedulerConfiguration)
  }
}
