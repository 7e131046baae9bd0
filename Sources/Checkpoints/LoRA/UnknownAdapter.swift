/// Adapters that cannot be fused here, told by the names of their tensors, so that the refusal says what they are.
enum UnknownAdapter {
  private static let families = [
    ("lora_embedding_", "LoRA of token embeddings"), ("vera_lambda_", "VeRA"), ("lora_E", "AdaLoRA"),
    ("ranknum", "AdaLoRA"), ("hra_u", "HRA"), ("randlora_", "RandLoRA"), ("fourierft_spectrum", "FourierFT"),
    ("gralora_", "GraLoRA"), ("shira_", "SHiRA"), ("c3a_kernel", "C3A"), ("vblora_", "VB-LoRA"),
    ("bone_", "Bone"), ("miss_block", "MiSS"), ("road_theta", "RoAd"), ("road_alpha", "RoAd"),
    ("waveft_", "WaveFT"),
    ("delora_", "DeLoRA"), ("oft_r", "OFT of PEFT before 0.16"), ("q_layer", "T-LoRA"),
    ("lambda_layer", "T-LoRA"),
    ("bias_indices", "LoCon with a sparse bias"), ("bias_values", "LoCon with a sparse bias"),
    ("reshape_weight", "LoRA of layers of another shape"), ("set_weight", "weights to set"),
    ("clip_l_out", "OneTrainer's output embeddings"), ("clip_g_out", "OneTrainer's output embeddings"),
    ("to_k_ip", "IP-Adapter"), ("ip_adapter", "IP-Adapter"), ("lllite_", "ControlNet-LLLite"),
    ("lora_controlnet", "Control-LoRA"), ("double_blocks", "LoRA for Flux"),
    ("single_transformer_blocks", "LoRA for Flux"), ("single_blocks", "LoRA for Flux"),
    ("joint_blocks", "LoRA for Stable Diffusion 3"), ("lora_transformer_", "LoRA for a transformer model"),
    ("transformer.", "LoRA for a transformer model"), ("lora_prior_", "LoRA for Stable Cascade"),
    ("motion_modules", "motion LoRA (AnimateDiff)"),
  ]

  /// The error for names that are of no known style or fit no layer.
  static func error(_ names: [String], path: String) -> CheckpointError {
    let names = names.sorted()
    for (mark, family) in families {
      // A transformer model's files begin so; within other names the word means nothing.
      let isStart = mark == "transformer."
      let example = names.first { isStart ? $0.hasPrefix(mark) : $0.contains(mark) }
      if let example { return .unknownAdapter(path: path, family: family, example: example) }
    }
    return .unmatchedKeys(path: path, keys: names)
  }
}
