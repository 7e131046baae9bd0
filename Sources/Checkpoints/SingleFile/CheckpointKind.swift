/// The kind of a single-file checkpoint. Keys and shapes tell it, by the rules of diffusers' `from_single_file`.
package struct CheckpointKind: Sendable, Equatable {
  /// The family of models.
  package enum Family: String, Sendable, CaseIterable {
    /// Stable Diffusion 1.x: CLIP's text encoder in transformers' layout.
    case sd1
    /// Stable Diffusion 2.x: OpenCLIP's text encoder.
    case sd2
    /// Stable Diffusion XL: both.
    case sdxl
  }

  package let family: Family
  /// Whether the UNet also takes the mask and the masked picture: nine channels.
  package let isInpainting: Bool
  /// Whether it was trained at 512 pixels to predict noise, although its family predicts velocity.
  let isBase: Bool
  /// The kind of prediction that the file tells; nil: the family's own.
  let ownPrediction: Prediction?
  /// Whether it was trained down to noise without any signal ("zero terminal SNR").
  let isZeroSNR: Bool

  /// What a UNet predicts, in the words of diffusers' configurations.
  enum Prediction: String, Sendable {
    case noise = "epsilon"
    case velocity = "v_prediction"
  }

  /// How a text encoder is stored.
  enum TextLayout: Sendable {
    case transformers
    case openCLIP
  }

  /// A text encoder in a checkpoint.
  struct TextEncoder: Sendable {
    let component: String
    let prefix: String
    let layout: TextLayout
    /// The prefix that stable-diffusion.cpp uses, in transformers' layout.
    var otherPrefix: String?
  }

  /// The text encoders of each family.
  static let textEncoders: [Family: [TextEncoder]] = [
    .sd1: [
      TextEncoder(component: "text_encoder", prefix: "cond_stage_model.transformer.", layout: .transformers)
    ],
    .sd2: [TextEncoder(component: "text_encoder", prefix: "cond_stage_model.model.", layout: .openCLIP)],
    .sdxl: [
      TextEncoder(
        component: "text_encoder", prefix: "conditioner.embedders.0.transformer.", layout: .transformers),
      TextEncoder(
        component: "text_encoder_2", prefix: "conditioner.embedders.1.model.", layout: .openCLIP,
        otherPrefix: "conditioner.embedders.1.transformer."),
    ],
  ]

  /// Keys of models that are not supported, with the models' names.
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
    ("emb_params", "is an embedding: name it with --embedding, and a whole model as the model"),
    ("clip_l", "is an embedding: name it with --embedding, and a whole model as the model"),
  ]

  /// How the reasons begin that a file is no model but a part of one, or added to one.
  fileprivate static let partReasons = [
    "is a LoRA", "is a VAE alone", "is a UNet alone", "is an embedding", "holds no UNet", "is a ControlNet",
  ]

  /// UNets with other inputs than this engine gives, by their number of channels.
  private static let otherInputs = [5: "a model for depth maps", 7: "an upscaler", 8: "InstructPix2Pix"]

  /// Recognizes the kind.
  /// - Throws: `unknownCheckpoint`, which says what the file seems to be.
  /// - Parameters:
  ///   - companionPath: where components may be that the file lacks.
  ///   - hasEncoders: whether text encoders are there.
  init(_ file: any TensorFile, companionPath: String, hasEncoders: Bool) throws {
    let tensors = file is GGUFFile ? GGUFNames.checkpoint(file.tensors) : file.tensors
    let names = Set(tensors.keys)
    func has(_ prefix: String) -> Bool { names.contains(prefix) || names.contains { $0.hasPrefix(prefix) } }
    if let (_, what) = Self.foreign.first(where: { has($0.0) }) {
      throw CheckpointError.unknownCheckpoint(
        path: file.path, reason: "is \(what), which this version of segmoe does not have")
    }
    guard has(KeyTable.unetPrefix) else {
      let isLoRA = names.contains { $0.contains("lora_") || $0.contains(".lora") || $0.contains("lokr_") }
      let reason =
        isLoRA
        ? "is a LoRA: name it with --lora, and a whole model as the model"
        : Self.mistaken.first { names.contains($0.0) }?.1
          ?? "holds no UNet (no tensor under \(KeyTable.unetPrefix)); it is no Stable Diffusion checkpoint"
      throw CheckpointError.unknownCheckpoint(path: file.path, reason: reason)
    }
    // The families' prefixes exclude one another, so the order does not matter.
    let known = Family.allCases.first { family in
      (Self.textEncoders[family] ?? []).allSatisfy { encoder in
        has(encoder.prefix) || encoder.otherPrefix.map(has) == true
      }
    }
    func shape(_ name: String) -> [Int]? { tensors[KeyTable.unetPrefix + name]?.shape }
    let isXL = shape("label_emb.0.0.weight") != nil || shape("add_embedding.linear_1.weight") != nil
    let contextWidth = tensors.first {
      $0.key.hasPrefix(KeyTable.unetPrefix) && $0.key.hasSuffix(".attn2.to_k.weight")
    }?.value.shape.last
    if let known {
      family = known
    } else {
      guard hasEncoders else {
        throw CheckpointError.unknownCheckpoint(
          path: file.path,
          reason:
            "holds a UNet, but no text encoder: take the whole checkpoint, put this file into a model's folder "
            + "in place of unet/diffusion_pytorch_model.safetensors, or put text_encoder, tokenizer and vae of such a "
            + "model into \(companionPath)")
      }
      family = isXL ? .sdxl : contextWidth == 1024 ? .sd2 : .sd1
    }
    guard family != .sd1 || known == nil || contextWidth != 1024 else {
      throw CheckpointError.unknownCheckpoint(
        path: file.path,
        reason: "is Stable Diffusion 2 with its text encoder under names of Stable Diffusion 1")
    }
    let input = shape("input_blocks.0.0.weight") ?? shape("conv_in.weight")
    let channels = input?.dropFirst().first
    if let what = channels.flatMap({ Self.otherInputs[$0] }) {
      throw CheckpointError.unknownCheckpoint(
        path: file.path,
        reason: "is \(what) (\(channels ?? 0) channels of input), which this version of segmoe does not have")
    }
    isInpainting = channels == 9
    isBase = try family == .sd2 && Self.step(file) == 875_000
    ownPrediction = Self.prediction(names, file.metadata)
    isZeroSNR =
      ownPrediction == .velocity
      && (names.contains("ztsnr") || file.metadata["ss_zero_terminal_snr"] == "True")
  }

  /// Trainers tell that a model predicts velocity in three ways: by an empty tensor `v_pred` (NoobAI-XL and its
  /// relatives), by `modelspec.prediction_type`, or in kohya's metadata.
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
  private static func step(_ file: any TensorFile) throws -> Int? {
    try file.tensors["global_step"]?.number().flatMap { Int(exactly: $0) }
  }

  /// The class of the pipeline that runs it.
  package var pipelineClass: String {
    let name = family == .sdxl ? "StableDiffusionXL" : "StableDiffusion"
    return name + (isInpainting ? "InpaintPipeline" : "Pipeline")
  }

  /// How many of the text encoder's layers are used: SD2 leaves out its 24th.
  func textLayers(_ count: Int) -> Int { family == .sd2 ? min(count, 23) : count }
}

extension CheckpointError {
  /// Whether the file is sound, but no model: a LoRA, a VAE, an embedding or another part.
  package var isOtherPart: Bool {
    guard case .unknownCheckpoint(_, let reason) = self else { return false }
    return CheckpointKind.partReasons.contains(where: reason.hasPrefix)
  }
}
