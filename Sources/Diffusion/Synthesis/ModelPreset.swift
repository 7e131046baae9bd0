import Checkpoints

/// Configurations of well-known models, for random models of their size.
package enum ModelPreset: String, Sendable, CaseIterable {
  case sd15
  case segmoeSD4x2 = "segmoe-sd-4x2"

  /// `unet/config.json`: SD1.5's, with `segmoe_config` for a mixture.
  package var unet: [String: JSONValue] {
    var config: [String: JSONValue] = [
      "_class_name": .string("UNet2DConditionModel"), "act_fn": .string("silu"),
      "attention_head_dim": .integer(8), "block_out_channels": .integers(320, 640, 1280, 1280),
      "center_input_sample": .bool(false), "cross_attention_dim": .integer(768),
      "down_block_types": .strings(
        "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
      "downsample_padding": .integer(1), "flip_sin_to_cos": .bool(true), "freq_shift": .integer(0),
      "in_channels": .integer(4), "layers_per_block": .integer(2), "mid_block_scale_factor": .integer(1),
      "norm_eps": .number(1e-5), "norm_num_groups": .integer(32), "out_channels": .integer(4),
      "sample_size": .integer(64),
      "up_block_types": .strings(
        "UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    ]
    if self == .segmoeSD4x2 {
      config["segmoe_config"] = .object([
        "type": .string("sd"), "moe_layers": .string("all"), "num_experts": .integer(4),
        "num_experts_per_tok": .integer(2), "down_idx_start": .integer(0), "down_idx_end": .integer(3),
        "up_idx_start": .integer(1), "up_idx_end": .integer(4),
      ])
    }
    return config
  }

  /// `vae/config.json`.
  package var autoencoder: [String: JSONValue] {
    [
      "_class_name": .string("AutoencoderKL"), "act_fn": .string("silu"),
      "block_out_channels": .integers(128, 256, 512, 512),
      "down_block_types": .array(Array(repeating: .string("DownEncoderBlock2D"), count: 4)),
      "in_channels": .integer(3), "latent_channels": .integer(4), "layers_per_block": .integer(2),
      "norm_num_groups": .integer(32), "out_channels": .integer(3), "sample_size": .integer(512),
      "scaling_factor": .number(0.18215),
      "up_block_types": .array(Array(repeating: .string("UpDecoderBlock2D"), count: 4)),
    ]
  }

  /// `text_encoder/config.json`: CLIP ViT-L/14's text half.
  package var textEncoder: [String: JSONValue] {
    [
      "architectures": .strings("CLIPTextModel"), "bos_token_id": .integer(49406),
      "eos_token_id": .integer(49407), "pad_token_id": .integer(49407), "hidden_act": .string("quick_gelu"),
      "hidden_size": .integer(768), "intermediate_size": .integer(3072), "layer_norm_eps": .number(1e-5),
      "max_position_embeddings": .integer(77), "model_type": .string("clip_text_model"),
      "num_attention_heads": .integer(12), "num_hidden_layers": .integer(12), "projection_dim": .integer(768),
      "vocab_size": .integer(49408),
    ]
  }

  /// `scheduler/scheduler_config.json`: what segmoe saves with a merge of SD1.5.
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
    [
      "_class_name": .string("StableDiffusionPipeline"), "feature_extractor": .array([.null, .null]),
      "image_encoder": .array([.null, .null]), "requires_safety_checker": .bool(false),
      "safety_checker": .array([.null, .null]), "scheduler": .strings("diffusers", "DDPMScheduler"),
      "text_encoder": .strings("transformers", "CLIPTextModel"),
      "tokenizer": .strings("transformers", "CLIPTokenizer"),
      "unet": .strings("diffusers", "UNet2DConditionModel"), "vae": .strings("diffusers", "AutoencoderKL"),
    ]
  }
}

extension JSONValue {
  fileprivate static func integers(_ values: Int...) -> JSONValue { .array(values.map { .integer($0) }) }
  fileprivate static func strings(_ values: String...) -> JSONValue { .array(values.map { .string($0) }) }
}
