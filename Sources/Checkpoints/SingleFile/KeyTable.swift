/// The names of a network's parts in the first implementation of latent diffusion (CompVis) and in OpenCLIP, beside
/// those of diffusers and transformers. How often a part repeats is read from the file.
enum KeyTable {
  /// How the names of a UNet's tensors begin in a checkpoint in one file.
  static let unetPrefix = "model.diffusion_model."

  /// How the names of an autoencoder's tensors begin there.
  static let autoencoderPrefixes = ["first_stage_model.", "vae."]

  /// Parts of a UNet that come once: CompVis, diffusers.
  static let unet = [
    ("time_embed.0", "time_embedding.linear_1"),
    ("time_embed.2", "time_embedding.linear_2"),
    ("label_emb.0.0", "add_embedding.linear_1"),
    ("label_emb.0.2", "add_embedding.linear_2"),
    ("input_blocks.0.0", "conv_in"),
    ("out.0", "conv_norm_out"),
    ("out.2", "conv_out"),
  ]

  /// Parts of a UNet's residual block.
  static let residual = [
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("emb_layers.1", "time_emb_proj"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
    ("skip_connection", "conv_shortcut"),
  ]

  /// Parts of an autoencoder that come once in the encoder and once in the decoder.
  static let autoencoder = [
    ("conv_in", "conv_in"),
    ("conv_out", "conv_out"),
    ("norm_out", "conv_norm_out"),
    ("mid.block_1", "mid_block.resnets.0"),
    ("mid.block_2", "mid_block.resnets.1"),
    ("mid.attn_1", "mid_block.attentions.0"),
  ]

  /// Parts of an autoencoder's residual block that have another name; all else is the same.
  static let autoencoderResidual = [("nin_shortcut", "conv_shortcut")]

  /// Parts of an autoencoder's attention.
  static let autoencoderAttention = [
    ("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0"),
  ]

  /// Parts of a text encoder: OpenCLIP, transformers.
  static let openCLIP = [
    ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
    ("ln_final.weight", "text_model.final_layer_norm.weight"),
    ("ln_final.bias", "text_model.final_layer_norm.bias"),
  ]

  /// Parts of a layer of a text encoder, beside its fused attention: OpenCLIP, transformers.
  static let openCLIPLayer = [
    ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
    ("attn.out_proj", "self_attn.out_proj"),
  ]
}
