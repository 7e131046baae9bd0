/// Configuration values of Stability's models that shapes do not tell. diffusers' `from_single_file` takes
/// them from `stable-diffusion-v1-5`, `stable-diffusion-2-1`, `stable-diffusion-xl-base-1.0` and their inpainting
/// variants on the hub.
enum KnownConfigurations {
  /// `model_index.json`.
  static func index(_ kind: CheckpointKind, hasVAE: Bool) -> [String: JSONValue] {
    func component(_ library: String, _ name: String) -> JSONValue {
      .array([.string(library), .string(name)])
    }
    let absent = JSONValue.array([.null, .null])
    var values: [String: JSONValue] = [
      "_class_name": .string(kind.pipelineClass),
      "scheduler": component("diffusers", schedulerClass(kind)),
      "unet": component("diffusers", "UNet2DConditionModel"),
      "vae": component("diffusers", "AutoencoderKL"),
      "text_encoder": component("transformers", "CLIPTextModel"),
      "tokenizer": component("transformers", "CLIPTokenizer"),
      "feature_extractor": absent,
      "image_encoder": absent,
    ]
    if kind.family == .sdxl {
      values["text_encoder_2"] = component("transformers", "CLIPTextModelWithProjection")
      values["tokenizer_2"] = component("transformers", "CLIPTokenizer")
      values["force_zeros_for_empty_prompt"] = .bool(true)
    } else {
      values["safety_checker"] = absent
      values["requires_safety_checker"] = .bool(false)
    }
    return values
  }

  private static func schedulerClass(_ kind: CheckpointKind) -> String {
    switch (kind.family, kind.isInpainting) {
    case (.sdxl, _): "EulerDiscreteScheduler"
    case (.sd1, false), (.sd2, true): "PNDMScheduler"
    case (.sd1, true), (.sd2, false): "DDIMScheduler"
    }
  }

  /// `scheduler/scheduler_config.json`.
  static func scheduler(_ kind: CheckpointKind) -> [String: JSONValue] {
    var values: [String: JSONValue] = [
      "_class_name": .string(schedulerClass(kind)),
      "beta_end": .number(0.012),
      "beta_schedule": .string("scaled_linear"),
      "beta_start": .number(0.00085),
      "clip_sample": .bool(false),
      "num_train_timesteps": .integer(1000),
      "set_alpha_to_one": .bool(false),
      "skip_prk_steps": .bool(true),
      "steps_offset": .integer(1),
      "trained_betas": .null,
    ]
    switch kind.family {
    case .sd1: break
    case .sd2:
      if !kind.isInpainting {
        values["prediction_type"] = .string(kind.isBase ? "epsilon" : "v_prediction")
      }
    case .sdxl:
      values["interpolation_type"] = .string("linear")
      values["prediction_type"] = .string("epsilon")
      values["sample_max_value"] = .number(1)
      values["timestep_spacing"] = .string("leading")
      values["use_karras_sigmas"] = .bool(false)
    }
    if let prediction = kind.ownPrediction { values["prediction_type"] = .string(prediction.rawValue) }
    if kind.isZeroSNR { values["rescale_betas_zero_snr"] = .bool(true) }
    return values
  }

  /// `unet/config.json`, without what the shapes tell.
  static func unet(_ kind: CheckpointKind) -> [String: JSONValue] {
    let sampleSize =
      switch kind.family {
      case .sd1: 64
      case .sd2: kind.isBase || kind.isInpainting ? 64 : 96
      case .sdxl: 128
      }
    return [
      "_class_name": .string("UNet2DConditionModel"),
      "act_fn": .string("silu"),
      // Read as the number of heads; the other families have heads of one width instead.
      "attention_head_dim": .integer(8),
      "center_input_sample": .bool(false),
      "downsample_padding": .integer(1),
      "flip_sin_to_cos": .bool(true),
      "freq_shift": .integer(0),
      "mid_block_scale_factor": .integer(1),
      "norm_eps": .number(1e-5),
      "norm_num_groups": .integer(32),
      "sample_size": .integer(sampleSize),
    ]
  }

  /// `vae/config.json`, without what the shapes tell.
  static func autoencoder(isXL: Bool) -> [String: JSONValue] {
    [
      "_class_name": .string("AutoencoderKL"),
      "act_fn": .string("silu"),
      "force_upcast": .bool(isXL),
      "in_channels": .integer(3),
      "norm_num_groups": .integer(32),
      "sample_size": .integer(isXL ? 1024 : 512),
      "scaling_factor": .number(isXL ? 0.13025 : 0.18215),
    ]
  }

  /// `text_encoder/config.json` or `text_encoder_2/config.json`, without what the shapes tell.
  static func textEncoder(_ kind: CheckpointKind, _ component: String) -> [String: JSONValue] {
    let isOpenCLIP = kind.family == .sd2 || component == "text_encoder_2"
    return [
      "architectures": .array([
        .string(component == "text_encoder_2" ? "CLIPTextModelWithProjection" : "CLIPTextModel")
      ]),
      "attention_dropout": .number(0),
      "bos_token_id": .integer(0),
      // transformers reads pooled states at the first token with the highest id if this is 2.
      "eos_token_id": .integer(2),
      "hidden_act": .string(isOpenCLIP ? "gelu" : "quick_gelu"),
      "layer_norm_eps": .number(1e-5),
      "model_type": .string("clip_text_model"),
      "pad_token_id": .integer(1),
      "projection_dim": .integer(kind.family == .sd2 ? 512 : 768),
    ]
  }

  /// The padding token. OpenCLIP's encoders were trained with token 0, which is `!`.
  static func padToken(_ kind: CheckpointKind, tokenizer: String) -> String {
    kind.family == .sd2 || tokenizer == "tokenizer_2" ? "!" : "<|endoftext|>"
  }
}
