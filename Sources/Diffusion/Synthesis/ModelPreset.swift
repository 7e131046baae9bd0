import Checkpoints

/// Configurations of well-known models, for random models of their size.
package enum ModelPreset: String, Sendable, CaseIterable {
  case sd15, sdxl
  case segmoeSD4x2 = "segmoe-sd-4x2"
  case segmoeSDXL4x2 = "segmoe-sdxl-4x2"

  /// Which pipeline the model is for.
  package var family: ModelFamily {
    switch self {
    case .sd15, .segmoeSD4x2: .sd
    case .sdxl, .segmoeSDXL4x2: .xl
    }
  }

  private var isMixture: Bool { self == .segmoeSD4x2 || self == .segmoeSDXL4x2 }

  /// `unet/config.json`, with `segmoe_config` for a mixture.
  package var unet: [String: JSONValue] {
    var config: [String: JSONValue] = [
      "_class_name": .string("UNet2DConditionModel"), "act_fn": .string("silu"),
      "center_input_sample": .bool(false), "downsample_padding": .integer(1), "flip_sin_to_cos": .bool(true),
      "freq_shift": .integer(0), "in_channels": .integer(4), "layers_per_block": .integer(2),
      "mid_block_scale_factor": .integer(1), "norm_eps": .number(1e-5), "norm_num_groups": .integer(32),
      "out_channels": .integer(4),
    ]
    config.merge(family == .sd ? Self.unetSD15 : Self.unetSDXL) { $1 }
    if isMixture { config["segmoe_config"] = .object(mixture) }
    return config
  }

  private static let unetSD15: [String: JSONValue] = [
    "attention_head_dim": .integer(8), "block_out_channels": .integers(320, 640, 1280, 1280),
    "cross_attention_dim": .integer(768),
    "down_block_types": .strings(
      "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "sample_size": .integer(64),
    "up_block_types": .strings(
      "UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
  ]

  private static let unetSDXL: [String: JSONValue] = [
    "addition_embed_type": .string("text_time"), "addition_time_embed_dim": .integer(256),
    "attention_head_dim": .integers(5, 10, 20), "block_out_channels": .integers(320, 640, 1280),
    "cross_attention_dim": .integer(2048),
    "down_block_types": .strings("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "projection_class_embeddings_input_dim": .integer(2816), "sample_size": .integer(128),
    "transformer_layers_per_block": .integers(1, 2, 10),
    "up_block_types": .strings("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "use_linear_projection": .bool(true),
  ]

  /// `segmoe_config`: four experts, two per call, all layers, the block range of the family.
  private var mixture: [String: JSONValue] {
    let (down, up) = family == .sd ? (0..<3, 1..<4) : (1..<3, 0..<2)
    return [
      "type": .string(family.rawValue), "moe_layers": .string("all"), "num_experts": .integer(4),
      "num_experts_per_tok": .integer(2), "down_idx_start": .integer(down.lowerBound),
      "down_idx_end": .integer(down.upperBound), "up_idx_start": .integer(up.lowerBound),
      "up_idx_end": .integer(up.upperBound),
    ]
  }

  /// `vae/config.json`.
  package var autoencoder: [String: JSONValue] {
    [
      "_class_name": .string("AutoencoderKL"), "act_fn": .string("silu"),
      "block_out_channels": .integers(128, 256, 512, 512),
      "down_block_types": .array(Array(repeating: .string("DownEncoderBlock2D"), count: 4)),
      "in_channels": .integer(3), "latent_channels": .integer(4), "layers_per_block": .integer(2),
      "norm_num_groups": .integer(32), "out_channels": .integer(3),
      "sample_size": .integer(family == .sd ? 512 : 1024),
      "scaling_factor": .number(family == .sd ? 0.18215 : 0.13025),
      "up_block_types": .array(Array(repeating: .string("UpDecoderBlock2D"), count: 4)),
    ]
  }

  /// `text_encoder/config.json`: CLIP ViT-L/14's text half; SDXL's second is OpenCLIP ViT-bigG/14's.
  /// - Returns: the configuration of each text encoder's folder.
  package var textEncoders: [(component: String, config: [String: JSONValue])] {
    let first = Self.textEncoder(
      width: 768, layers: 12, heads: 12, activation: "quick_gelu", class: "CLIPTextModel")
    let second = Self.textEncoder(
      width: 1280, layers: 32, heads: 20, activation: "gelu", class: "CLIPTextModelWithProjection")
    return [("text_encoder", first)] + (family == .sd ? [] : [("text_encoder_2", second)])
  }

  private static func textEncoder(
    width: Int, layers: Int, heads: Int, activation: String, class name: String
  ) -> [String: JSONValue] {
    [
      "architectures": .strings(name), "bos_token_id": .integer(49406), "eos_token_id": .integer(49407),
      "pad_token_id": .integer(49407), "hidden_act": .string(activation), "hidden_size": .integer(width),
      "intermediate_size": .integer(4 * width), "layer_norm_eps": .number(1e-5),
      "max_position_embeddings": .integer(77), "model_type": .string("clip_text_model"),
      "num_attention_heads": .integer(heads), "num_hidden_layers": .integer(layers),
      "projection_dim": .integer(width), "vocab_size": .integer(49408),
    ]
  }

  /// `scheduler/scheduler_config.json`, as the reference saves it with a merge.
  package var scheduler: [String: JSONValue] {
    [
      "_class_name": .string("DDPMScheduler"), "beta_end": .number(0.012),
      "beta_schedule": .string("scaled_linear"),
      "beta_start": .number(0.00085), "clip_sample": .bool(false), "num_train_timesteps": .integer(1000),
      "prediction_type": .string("epsilon"), "set_alpha_to_one": .bool(false), "steps_offset": .integer(1),
      "timestep_spacing": .string("leading"), "variance_type": .string("fixed_small"),
    ]
  }

  /// `model_index.json`.
  package var index: [String: JSONValue] {
    var index: [String: JSONValue] = [
      "_class_name": .string(family == .sd ? "StableDiffusionPipeline" : "StableDiffusionXLPipeline"),
      "feature_extractor": .array([.null, .null]), "image_encoder": .array([.null, .null]),
      "scheduler": .strings("diffusers", "DDPMScheduler"),
      "text_encoder": .strings("transformers", "CLIPTextModel"),
      "tokenizer": .strings("transformers", "CLIPTokenizer"),
      "unet": .strings("diffusers", "UNet2DConditionModel"), "vae": .strings("diffusers", "AutoencoderKL"),
    ]
    switch family {
    case .sd:
      index["requires_safety_checker"] = .bool(false)
      index["safety_checker"] = .array([.null, .null])
    case .xl:
      index["force_zeros_for_empty_prompt"] = .bool(true)
      index["text_encoder_2"] = .strings("transformers", "CLIPTextModelWithProjection")
      index["tokenizer_2"] = .strings("transformers", "CLIPTokenizer")
    }
    return index
  }
}

extension JSONValue {
  fileprivate static func integers(_ values: Int...) -> JSONValue { .array(values.map { .integer($0) }) }
  fileprivate static func strings(_ values: String...) -> JSONValue { .array(values.map { .string($0) }) }
}
