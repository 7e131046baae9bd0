import Checkpoints
import Diffusion
import Requests
import WeightCache

/// A model that goes into a merge, as base or expert, with its LoRAs fused as it is read.
struct MergeSource: Sendable {
  /// A folder or a single file.
  let files: any ModelFiles
  /// The kind of model.
  let family: Recipe.Family
  let shape: UNetConfiguration
  /// The UNet's tensors, with LoRAs.
  var weights: Weights { networks.unet }
  private let networks: ModelWeights
  private let loras: [LoRAReference]

  /// - Throws: what reading the model or a LoRA throws, `MergeError.unsupported` for a source that
  ///   is itself a mixture, `MergeError.family` for another family than `wanted` (nil: any).
  init(_ source: Recipe.Source, loras: [Recipe.LoRA], family wanted: Recipe.Family?) throws {
    // Whatever else a cache holds of the model, a merge is made of the same weights.
    files = try ModelPath(source.path).open(preferring: .half)
    family = files.isXL ? .sdxl : .sd
    guard wanted == nil || wanted == family else {
      throw MergeError.family(source.written, of: family, wanted: wanted ?? family)
    }
    shape = try UNetConfiguration(files.config(for: "unet"))
    guard shape.mixture == nil else {
      throw MergeError.unsupported(what: "a source that is a mixture already (\(source.written))")
    }
    self.loras = loras.map { LoRAReference(path: $0.source.path, weight: $0.weight) }
    networks = try ModelWeights(files, loras: self.loras)
  }

  /// The tensors of a component, with LoRAs.
  /// - Throws: what opening them throws.
  func weights(of component: String) throws -> Weights {
    switch component {
    case "text_encoder": networks.textEncoder
    case "text_encoder_2": try networks.textEncoder2 ?? files.weights(for: component)
    default: try files.weights(for: component)
    }
  }

  /// Whether LoRAs change a component, so that it differs from the file.
  func changes(_ component: String) -> Bool {
    guard !loras.isEmpty, component.hasPrefix("text_encoder") else { return false }
    let tensors = (try? weights(of: component).tensors) ?? [:]
    return tensors.values.contains { !$0.patches.isEmpty }
  }

  /// Bytes of all weights as they are stored.
  /// - Throws: what opening them throws.
  func storedBytes() throws -> Int {
    try ["unet", "vae", "text_encoder", "text_encoder_2"].reduce(0) { sum, component in
      // Some single files have no VAE.
      guard files.has(component), component != "vae" || hasVAE else { return sum }
      return try sum + weights(of: component).tensors.values.reduce(0) { $0 + $1.byteCount }
    }
  }

  private var hasVAE: Bool { (try? files.weights(for: "vae")) != nil }

  /// The whole model, for rendering.
  /// - Parameters:
  ///   - vae: used if the source has no VAE.
  ///   - cache: where the weights are kept. All sources share it, so that one model's weights make room for the next.
  func model(vae: String, cache: PartCache) throws -> DiffusionModel {
    var replacement: String?
    do { _ = try files.weights(for: "vae") } catch CheckpointError.missingVAE { replacement = vae }
    return try DiffusionModel(folder: files, vae: replacement, cache: cache, loras: loras)
  }
}
