extension UNetConfiguration {
  /// Keys that may be in `unet/config.json`: those of diffusers' `UNet2DConditionModel`, the reference's own, and
  /// those that averaging weights in training leaves behind (diffusers' `EMAModel`). The last are ignored.
  static let knownKeys: Set<String> = [
    "act_fn", "addition_embed_type", "addition_embed_type_num_heads", "addition_time_embed_dim",
    "attention_head_dim", "attention_type", "block_out_channels", "center_input_sample", "class_embed_type",
    "class_embeddings_concat", "conv_in_kernel", "conv_out_kernel", "cross_attention_dim",
    "cross_attention_norm", "decay", "down_block_types", "downsample_padding", "dropout",
    "dual_cross_attention", "encoder_hid_dim", "encoder_hid_dim_type", "flip_sin_to_cos", "freq_shift",
    "in_channels", "inv_gamma", "layers_per_block", "mid_block_only_cross_attention",
    "mid_block_scale_factor", "mid_block_type", "min_decay", "norm_eps", "norm_num_groups",
    "num_attention_heads", "num_class_embeds", "only_cross_attention", "optimization_step", "out_channels",
    "power", "projection_class_embeddings_input_dim", "resnet_out_scale_factor", "resnet_skip_time_act",
    "resnet_time_scale_shift", "reverse_transformer_layers_per_block", "sample_size", "segmoe_config",
    "time_cond_proj_dim", "time_embedding_act_fn", "time_embedding_dim", "time_embedding_type",
    "timestep_post_act", "transformer_layers_per_block", "up_block_types", "upcast_attention",
    "update_after_step", "use_ema_warmup", "use_linear_projection",
  ]
}
