/// Adapters that cannot be fused here, told by the names of their tensors, so that the refusal says what they are.
enum UnknownAdapter {
  /// Methods that this engine does not have.
  private static let methods = [
    ("lora_embedding_", "LoRA of token embeddings"), ("pvera_", "PVeRA"), ("vera_lambda_", "VeRA"),
    ("vera_A", "VeRA"),
    ("lora_E", "AdaLoRA"), ("ranknum", "AdaLoRA"), ("hra_u", "HRA"), ("randlora_", "RandLoRA"),
    ("fourierft_spectrum", "FourierFT"), ("gralora_", "GraLoRA"), ("shira_", "SHiRA"), ("c3a_kernel", "C3A"),
    ("vblora_", "VB-LoRA"), ("bone_", "Bone"), ("miss_block", "MiSS"), ("road_theta", "RoAd"),
    ("road_alpha", "RoAd"), ("waveft_", "WaveFT"), ("delora_", "DeLoRA"), ("hira_", "HiRA"),
    ("psoft_", "PSOFT"), ("glora_", "GLoRA of PEFT"), ("tinylora_", "TinyLoRA"), ("lily_", "Lily"),
    ("unilora_", "UniLoRA"), ("osf_", "OSF"), ("deft_", "DEFT"), ("beft_", "BEFT"),
    ("oft_r", "OFT of PEFT before 0.16"), ("q_layer", "T-LoRA"), ("lambda_layer", "T-LoRA"),
    ("reshape_weight", "LoRA of layers of another shape"), ("set_weight", "weights to set"),
    ("clip_l_out", "OneTrainer's output embeddings"), ("clip_g_out", "OneTrainer's output embeddings"),
    ("to_k_ip", "IP-Adapter"), ("ip_adapter", "IP-Adapter"), ("lllite_", "ControlNet-LLLite"),
    ("lora_controlnet", "Control-LoRA"), ("motion_modules", "motion LoRA (AnimateDiff)"),
  ]

  /// Parts of names that layers of other models have.
  private static let models = [
    ("single_transformer_blocks", "Flux"), ("double_blocks", "Flux, or another model of two streams"),
    ("single_blocks", "Flux, or another model of two streams"),
    ("joint_blocks", "Stable Diffusion 3"), ("lora_te3_", "a model with a T5 text encoder"),
    ("lora_prior_", "Stable Cascade"), ("lora_transformer_", "a transformer model"),
    ("lora_unet_blocks_", "a transformer model"), ("lora_unet_layers_", "a transformer model"),
  ]

  /// Beginnings of names that only transformer models have; within other names the words mean nothing.
  private static let starts = [
    "transformer.", "transformer_blocks.", "diffusion_model.blocks.", "diffusion_model.layers.",
    "diffusion_model.transformer_blocks.", "base_model.model.transformer_blocks.", "blocks.", "layers.",
  ]

  /// Files that people name as a LoRA by mistake: a tensor that tells each, what it is, what to do.
  private static let others = [
    ("model.diffusion_model.input_blocks.0.0.weight", "is a whole model: name it as the model"),
    ("input_blocks.0.0.weight", "is a UNet: name it as the model"),
    ("down_blocks.0.resnets.0.conv1.weight", "is a UNet: name its model's folder as the model"),
    ("first_stage_model.decoder.conv_in.weight", "is a VAE: name it with --vae"),
    ("decoder.conv_in.weight", "is a VAE: name it with --vae"),
    ("decoder.layers.0.weight", "is a VAE: name it with --vae"),
    ("emb_params", "is an embedding: name it with --embedding"),
    ("string_to_param.*", "is an embedding: name it with --embedding"),
    ("text_encoders_0", "is an embedding: name it with --embedding"),
    ("clip_l", "is an embedding: name it with --embedding"),
    ("clip_g", "is an embedding: name it with --embedding"),
    ("control_model.input_blocks.0.0.weight", "is a ControlNet, which this version of segmoe does not have"),
    (
      "controlnet_cond_embedding.conv_in.weight",
      "is a ControlNet, which this version of segmoe does not have"
    ),
  ]

  /// The error for names that are of no known style or fit no layer.
  /// - Parameters:
  ///   - names: those.
  ///   - path: the file.
  ///   - origin: what the file says, or its layers tell, of the models it is for; nil: nothing, or this model.
  static func error(_ names: [String], path: String, origin: AdapterOrigin? = nil) -> CheckpointError {
    let names = names.sorted()
    for (name, reason) in others where names.contains(name) {
      return .unknownCheckpoint(path: path, reason: reason)
    }
    for (mark, family) in methods {
      if let example = names.first(where: { $0.contains(mark) }) {
        return .unknownAdapter(path: path, family: family, example: example)
      }
    }
    for (mark, family) in models {
      if let example = names.first(where: { $0.contains(mark) }) {
        return .foreignAdapter(path: path, family: family, example: example)
      }
    }
    if let example = names.first(where: { starts.contains(where: $0.hasPrefix) }) {
      return .foreignAdapter(path: path, family: "a transformer model", example: example)
    }
    if let origin { return .foreignAdapter(path: path, family: origin.family, example: origin.example) }
    return .unmatchedKeys(path: path, keys: names)
  }
}
