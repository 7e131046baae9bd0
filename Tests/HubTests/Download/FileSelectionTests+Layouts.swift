/// The eight layouts of a repository.
extension FileSelectionTests {
  /// What a repository holds beside weights.
  static let common = [
    "README.md",
    "images/sample.png",
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "v1-5-pruned.ckpt",
    "v1-5-pruned.safetensors",
    "vae/config.json",
  ]
  /// What of it belongs to every selection.
  static let always = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "vae/config.json",
  ]

  /// The weights of each layout.
  static let layouts: [String: [String]] = [
    "both": [
      "text_encoder/model.fp16.safetensors",
      "text_encoder/model.safetensors",
      "text_encoder/pytorch_model.bin",
      "text_encoder/pytorch_model.fp16.bin",
      "unet/diffusion_pytorch_model.bin",
      "unet/diffusion_pytorch_model.fp16.bin",
      "unet/diffusion_pytorch_model.fp16.safetensors",
      "unet/diffusion_pytorch_model.safetensors",
      "vae/diffusion_pytorch_model.bin",
      "vae/diffusion_pytorch_model.fp16.bin",
      "vae/diffusion_pytorch_model.fp16.safetensors",
      "vae/diffusion_pytorch_model.safetensors",
    ],
    "no-fp16": [
      "text_encoder/model.safetensors",
      "text_encoder/pytorch_model.bin",
      "unet/diffusion_pytorch_model.bin",
      "unet/diffusion_pytorch_model.safetensors",
      "vae/diffusion_pytorch_model.bin",
      "vae/diffusion_pytorch_model.safetensors",
    ],
    "only-fp16": [
      "text_encoder/model.fp16.safetensors",
      "unet/diffusion_pytorch_model.fp16.safetensors",
      "vae/diffusion_pytorch_model.fp16.safetensors",
    ],
    "only-bin": [
      "text_encoder/pytorch_model.bin",
      "unet/diffusion_pytorch_model.bin",
      "vae/diffusion_pytorch_model.bin",
    ],
    "unet-fp16": [
      "text_encoder/model.safetensors",
      "unet/diffusion_pytorch_model.fp16.safetensors",
      "unet/diffusion_pytorch_model.safetensors",
      "vae/diffusion_pytorch_model.safetensors",
    ],
    "bin-text": [
      "text_encoder/pytorch_model.bin",
      "unet/diffusion_pytorch_model.bin",
      "unet/diffusion_pytorch_model.safetensors",
      "vae/diffusion_pytorch_model.bin",
      "vae/diffusion_pytorch_model.safetensors",
    ],
    "sharded": [
      "text_encoder/model.safetensors",
      "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
      "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
      "unet/diffusion_pytorch_model.safetensors.index.json",
      "vae/diffusion_pytorch_model.safetensors",
    ],
    "ema": [
      "text_encoder/model.safetensors",
      "unet/diffusion_flax_model.msgpack",
      "unet/diffusion_pytorch_model.non_ema.safetensors",
      "unet/diffusion_pytorch_model.safetensors",
      "unet/model.onnx",
      "vae/diffusion_pytorch_model.safetensors",
    ],
  ]
}
