import Checkpoints
import Experts
import Layers

/// The shape of a conditional UNet: `unet/config.json` of the SD1.5 family.
///
/// Whatever in the file this engine does not do is refused by name, never ignored.
package struct UNetConfiguration: Sendable {
  /// One level of the UNet, as the way down sees it.
  package struct Level: Sendable, Equatable {
    package let width: Int
    package let layers: Int
    package let heads: Int
    /// Transformer blocks after each residual block; 0 where the level has no attention.
    package let depth: Int
  }

  package let inputChannels: Int
  package let outputChannels: Int
  package let down: [Level]
  /// The way up, from the smallest feature map to the largest; `layers` is one more than below.
  package let up: [Level]
  /// Transformer blocks in the middle; nil if the UNet has no middle block.
  package let middleDepth: Int?
  package let contextWidth: Int
  package let groups: Int
  package let epsilon: Float
  package let linearProjection: Bool
  package let timestep: SinusoidalEmbedding
  /// Latent rows and columns the model was trained at.
  package let sampleSize: Int
  package let mixture: MixtureConfiguration?

  /// Levels and widths must agree in number; each refusal names the key and the value.
  /// - Throws: `CheckpointError` from the config file, `DiffusionError.unsupported` for anything
  ///   this engine does not do.
  package init(_ config: ConfigObject) throws {
    func refuse(_ key: String, _ value: String) -> DiffusionError {
      .unsupported(file: config.path, key: key, value: value)
    }
    if let name = try config.stringIfPresent("_class_name"), name != "UNet2DConditionModel" {
      throw refuse("_class_name", name)
    }
    for (key, allowed) in Self.onlyWith {
      let value = config.text(key) ?? allowed[0]
      guard allowed.contains(value) else { throw refuse(key, value) }
    }
    let widths = try config.intArray("block_out_channels")
    let count = widths.count
    guard count > 0, widths.allSatisfy({ $0 > 0 }) else {
      throw refuse("block_out_channels", "\(widths)")
    }
    func perLevel(_ key: String, _ fallback: Int) throws -> [Int] {
      let values = try config.intOrIntArray(key, default: fallback)
      let list = values.count == 1 ? Array(repeating: values[0], count: count) : values
      guard list.count == count, list.allSatisfy({ $0 > 0 }) else { throw refuse(key, "\(values)") }
      return list
    }
    let layers = try perLevel("layers_per_block", 2)
    // What diffusers calls attention_head_dim is the number of heads, for historical reasons.
    let heads = try perLevel(config.text("num_attention_heads") == nil ? "attention_head_dim" : "num_attention_heads", 8)
    let depths = try perLevel("transformer_layers_per_block", 1)
    let downTypes = try config.stringArray("down_block_types")
    let upTypes = try config.stringArray("up_block_types")
    guard downTypes.count == count else { throw refuse("down_block_types", "\(downTypes)") }
    guard upTypes.count == count else { throw refuse("up_block_types", "\(upTypes)") }
    down = try (0..<count).map { level in
      let attends = try Self.attends(downTypes[level], plain: "DownBlock2D", with: "CrossAttnDownBlock2D") {
        refuse("down_block_types", downTypes[level])
      }
      return Level(
        width: widths[level], layers: layers[level], heads: heads[level],
        depth: attends ? depths[level] : 0)
    }
    up = try (0..<count).map { index in
      let level = count - 1 - index
      let attends = try Self.attends(upTypes[index], plain: "UpBlock2D", with: "CrossAttnUpBlock2D") {
        refuse("up_block_types", upTypes[index])
      }
      return Level(
        width: widths[level], layers: layers[level] + 1, heads: heads[level],
        depth: attends ? depths[level] : 0)
    }
    middleDepth = depths[count - 1]
    inputChannels = try config.int("in_channels", default: 4)
    outputChannels = try config.int("out_channels", default: 4)
    contextWidth = try config.int("cross_attention_dim", default: 1280)
    groups = try config.int("norm_num_groups", default: 32)
    epsilon = Float(try config.double("norm_eps", default: 1e-5))
    linearProjection = try config.bool("use_linear_projection", default: false)
    timestep = SinusoidalEmbedding(
      width: widths[0], cosinesFirst: try config.bool("flip_sin_to_cos", default: true),
      frequencyShift: Float(try config.double("freq_shift", default: 0)))
    sampleSize = try config.int("sample_size", default: 64)
    mixture = try config.objectIfPresent("segmoe_config").map {
      try MixtureConfiguration($0, levels: count)
    }
    guard inputChannels > 0, outputChannels > 0, contextWidth > 0, groups > 0, sampleSize > 0 else {
      throw refuse("in_channels, out_channels, cross_attention_dim, norm_num_groups, sample_size", "not positive")
    }
  }

  /// Keys that change what a UNet computes, with the values that this engine computes.
  private static let onlyWith: [(key: String, allowed: [String])] = [
    ("act_fn", ["silu", "swish"]),
    ("addition_embed_type", ["null"]),
    ("attention_type", ["default"]),
    ("center_input_sample", ["false"]),
    ("class_embed_type", ["null"]),
    ("class_embeddings_concat", ["false"]),
    ("conv_in_kernel", ["3"]),
    ("conv_out_kernel", ["3"]),
    ("cross_attention_norm", ["null"]),
    ("downsample_padding", ["1"]),
    ("dual_cross_attention", ["false"]),
    ("encoder_hid_dim", ["null"]),
    ("encoder_hid_dim_type", ["null"]),
    ("mid_block_only_cross_attention", ["null", "false"]),
    ("mid_block_scale_factor", ["1"]),
    ("mid_block_type", ["UNetMidBlock2DCrossAttn"]),
    ("num_class_embeds", ["null"]),
    ("only_cross_attention", ["false"]),
    ("resnet_out_scale_factor", ["1"]),
    ("resnet_skip_time_act", ["false"]),
    ("resnet_time_scale_shift", ["default"]),
    ("reverse_transformer_layers_per_block", ["null"]),
    ("time_cond_proj_dim", ["null"]),
    ("time_embedding_act_fn", ["null"]),
    ("time_embedding_dim", ["null"]),
    ("time_embedding_type", ["positional"]),
    ("timestep_post_act", ["null"]),
  ]

  private static func attends(
    _ type: String, plain: String, with attention: String, or refusal: () -> DiffusionError
  ) throws -> Bool {
    switch type {
    case plain: return false
    case attention: return true
    default: throw refusal()
    }
  }
}

extension MixtureConfiguration {
  /// Reads `segmoe_config`. The four index fields win over what the type implies.
  /// - Throws: `CheckpointError` or `DiffusionError.unsupported` for values out of range.
  init(_ config: ConfigObject, levels: Int) throws {
    let type = try config.string("type", default: "sdxl")
    guard type == "sd" || type == "sdxl" else {
      throw DiffusionError.unsupported(file: config.path, key: "segmoe_config.type", value: type)
    }
    let name = try config.string("moe_layers", default: "attn")
    guard let layers = Layers(rawValue: name) else {
      throw DiffusionError.unsupported(file: config.path, key: "segmoe_config.moe_layers", value: name)
    }
    let isXL = type == "sdxl"
    let down = (
      try config.int("down_idx_start", default: isXL ? 1 : 0),
      try config.int("down_idx_end", default: isXL ? levels : levels - 1)
    )
    let up = (
      try config.int("up_idx_start", default: isXL ? 0 : 1),
      try config.int("up_idx_end", default: isXL ? levels - 1 : levels)
    )
    let experts = try config.int("num_experts")
    let perCall = try config.int("num_experts_per_tok", default: 1)
    guard down.0 >= 0, down.0 <= down.1, down.1 <= levels, up.0 >= 0, up.0 <= up.1, up.1 <= levels else {
      throw DiffusionError.unsupported(
        file: config.path, key: "segmoe_config.down_idx/up_idx", value: "\(down) and \(up) of \(levels) blocks")
    }
    guard experts > 0, perCall > 0, perCall <= experts else {
      throw DiffusionError.unsupported(
        file: config.path, key: "segmoe_config.num_experts_per_tok", value: "\(perCall) of \(experts) experts")
    }
    self.init(
      experts: experts, expertsPerCall: perCall, layers: layers, downBlocks: down.0..<down.1,
      upBlocks: up.0..<up.1)
  }
}
