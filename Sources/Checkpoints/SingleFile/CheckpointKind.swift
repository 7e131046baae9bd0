/// What a single-file checkpoint is. Keys and shapes tell, by the rules of diffusers' `from_single_file`.
package struct CheckpointKind: Sendable, Equatable {
  /// Whose layout it follows.
  package enum Family: String, Sendable, CaseIterable {
    /// Stable Diffusion 1.x: CLIP's text encoder in transformers' layout.
    case sd1
    /// Stable Diffusion 2.x: OpenCLIP's text encoder.
    case sd2
    /// Stable Diffusion XL: both.
    case sdxl
  }

  package let family: Family
  /// Whether the UNet takes mask and masked picture beside the latents: nine channels.
  package let isInpainting: Bool
  /// Whether it was trained at 512 pixels to predict noise, though of a family that predicts velocity.
  let isBase: Bool
  /// What the file itself says of the kind of prediction; nil: nothing, so that the family's holds.
  let ownPrediction: Prediction?
  /// Whether it was trained down to noise without any signal ("zero terminal SNR").
  let isZeroSNR: Bool

  /// What a UNet was trained to predict, in the words of diffusers' configurations.
  enum Prediction: String, Sendable {
    case noise = "epsilon"
    case velocity = "v_prediction"
  }

  /// How a text encoder is stored.
  enum TextLayout: Sendable {
    case transformers
    case openCLIP
  }

  /// A component's tensors: those whose names begin so.
  static let unetPrefix = "model.diffusion_model."
  static let autoencoderPrefixes = ["first_stage_model.", "vae."]

  /// The text encoders of each family: component, prefix, layout.
  static let textEncoders: [Family: [(component: String, prefix: String, layout: TextLayout)]] = [
    .sd1: [("text_encoder", "cond_stage_model.transformer.", .transformers)],
    .sd2: [("text_encoder", "cond_stage_model.model.", .openCLIP)],
    .sdxl: [
      ("text_encoder", "conditioner.embedders.0.transformer.", .transformers),
      ("text_encoder_2", "conditioner.embedders.1.model.", .openCLIP),
    ],
  ]

  /// Keys of models that this engine does not have, with their names.
  private static let foreign = [
    ("conditioner.embedders.0.model.", "the SDXL refiner"),
    ("edm_mean", "Playground 2.5"),
    ("edm_vpred.sigma_max", "CosXL"),
    ("model.diffusion_model.label_emb.weight", "an upscaler"),
    ("control_model.", "a ControlNet"),
    ("model.diffusion_model.joint_blocks.", "Stable Diffusion 3"),
    ("model.diffusion_model.double_blocks.", "Flux"),
    ("double_blocks.", "Flux"),
    ("joint_blocks.", "Stable Diffusion 3"),
  ]

  /// Files that people name as a model by mistake: a key that identifies each, what it is, what to do.
  private static let mistaken = [
    ("decoder.conv_in.weight", "is a VAE alone: name it with --vae, and a whole model as the model"),
    ("decoder.layers.0.weight", "is a VAE alone: name it with --vae, and a whole model as the model"),
    ("down_blocks.0.resnets.0.conv1.weight", "is a UNet alone in diffusers' layout: name the model's folder"),
    ("conv_in.weight", "is a UNet alone in diffusers' layout: name the model's folder"),
  ]

  /// Tells the kind.
  /// - Throws: `unknownCheckpoint` with what it seems to be.
  init(_ file: SafetensorsFile) throws {
    let names = Set(file.names)
    func has(_ prefix: String) -> Bool { names.contains(prefix) || names.contains { $0.hasPrefix(prefix) } }
    if let (_, what) = Self.foreign.first(where: { has($0.0) }) {
      throw CheckpointError.unknownCheckpoint(
        path: file.path, reason: "is \(what), which this version of segmoe does not have")
    }
    guard has(Self.unetPrefix) else {
      let isLoRA = names.contains { $0.contains("lora_") || $0.contains(".lora") || $0.contains("lokr_") }
      let reason =
        isLoRA
        ? "is a LoRA: name it with --lora, and a whole model as the model"
        : Self.mistaken.first { names.contains($0.0) }?.1
          ?? "holds no UNet (no tensor under \(Self.unetPrefix)); it is no Stable Diffusion checkpoint"
      throw CheckpointError.unknownCheckpoint(path: file.path, reason: reason)
    }
    // The families' prefixes exclude one another, so the order does not matter.
    let known = Family.allCases.first { family in
      (Self.textEncoders[family] ?? []).allSatisfy { has($0.prefix) }
    }
    guard let known else {
      throw CheckpointError.unknownCheckpoint(
        path: file.path,
        reason: "holds a UNet, but no text encoder: take the whole checkpoint, not a pruned UNet")
    }
    family = known
    isInpainting = file[Self.unetPrefix + "input_blocks.0.0.weight"]?.shape.dropFirst().first == 9
    isBase = try known == .sd2 && Self.step(file) == 875_000
    ownPrediction = Self.prediction(names, file.metadata)
    isZeroSNR =
      ownPrediction == .velocity
      && (names.contains("ztsnr") || file.metadata["ss_zero_terminal_snr"] == "True")
  }

  /// Trainers say velocity by an empty tensor `v_pred` (NoobAI-XL and its kin), by `modelspec.prediction_type`, or in
  /// kohya's notes.
  private static func prediction(_ names: Set<String>, _ metadata: [String: String]) -> Prediction? {
    if names.contains("v_pred") { return .velocity }
    switch metadata["modelspec.prediction_type"]?.lowercased() {
    case "v", "v_prediction", "v-prediction", "velocity": return .velocity
    case "epsilon", "eps": return .noise
    default: break
    }
    if metadata["ss_v_parameterization"] == "True" { return .velocity }
    return nil
  }

  /// How diffusers recognizes SD2 at 512 pixels: the number of training steps, where a file has it.
  private static func step(_ file: SafetensorsFile) throws -> Int? {
    try file["global_step"]?.number().flatMap { Int(exactly: $0) }
  }

  /// The pipeline that runs it.
  package var pipelineClass: String {
    let name = family == .sdxl ? "StableDiffusionXL" : "StableDiffusion"
    return name + (isInpainting ? "InpaintPipeline" : "Pipeline")
  }

  /// The text encoder's layers that count, of those the file has: SD2 leaves out its 24th.
  func textLayers(_ count: Int) -> Int { family == .sd2 ? min(count, 23) : count }
}
