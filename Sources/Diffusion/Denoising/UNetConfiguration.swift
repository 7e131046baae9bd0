import Checkpoints
import Experts
import Layers

/// The shape of a conditional UNet: `unet/config.json` of the SD1.5 family.
///
/// If the file asks for anything that this engine cannot do, it is refused by name, never ignored.
package struct UNetConfiguration: Sendable {
  /// One level of the UNet.
  package struct Level: Sendable, Equatable {
    package let width: Int
    package let layers: Int
    package let heads: Int
    /// How many transformer blocks follow each residual block; empty if the level has no attention.
    package let depths: [Int]

    /// How many transformer blocks follow a residual block of this level; nil if there are none.
    func depth(after layer: Int) -> Int? { depths.indices.contains(layer) ? depths[layer] : nil }
  }

  /// The middle block, between the way down and the way up.
  package enum Middle: Sendable, Equatable {
    /// No middle block, as in distilled models such as tiny-sd.
    case none
    /// One residual block.
    case residual
    /// Two residual blocks with a transformer of this depth between them.
    case attention(depth: Int)
  }

  /// SDXL's inputs besides the timestep: pooled text and picture sizes.
  package struct AddedConditioning: Sendable, Equatable {
    /// The embedding that each of the sizes goes through.
    package let size: SinusoidalEmbedding
    /// Width of the pooled text and all embedded sizes, side by side.
    package let inputs: Int

    /// Width of the pooled text: what six embedded sizes leave of `inputs`.
    package var pooledWidth: Int { inputs - 6 * size.width }
  }

  package let inputChannels: Int
  let outputChannels: Int
  package let down: [Level]
  /// The way up, from the smallest feature map to the largest. Each level has one layer more than on the way down.
  package let up: [Level]
  package let middle: Middle
  package let contextWidth: Int
  package let groups: Int
  package let epsilon: Float
  let linearProjection: Bool
  package let timestep: SinusoidalEmbedding
  /// Latent rows and columns the model was trained at.
  package let sampleSize: Int
  package let mixture: MixtureConfiguration?
  /// nil if the UNet takes nothing besides the text states and the timestep.
  package let added: AddedConditioning?
  /// Width of the embedded guidance scale that a consistency model takes; nil for other models, where guidance means
  /// an unconditional row beside the conditional one.
  let guidanceWidth: Int?

  /// Reads the file. Every refusal names the key and the value.
  /// - Throws: `CheckpointError` from the config file, `DiffusionError.unsupported` for anything
  ///   that this engine cannot do.
  package init(_ config: ConfigObject) throws {
    func refuse(_ key: String, _ value: String) -> DiffusionError {
      .unsupported(file: config.path, key: key, value: value)
    }
    if let name = try config.stringIfPresent("_class_name"), name != "UNet2DConditionModel" {
      throw refuse("_class_name", name)
    }
    try config.refuseUnknown(allowed: Self.knownKeys)
    try config.refuse(Self.onlyWith)
    let widths = try config.ints("block_out_channels", in: 1...65536)
    let count = widths.count
    guard (1...16).contains(count) else { throw refuse("block_out_channels", "\(widths)") }
    func perLevel(_ key: String, _ fallback: Int) throws -> [Int] {
      try config.intOrInts(key, count: count, default: fallback, in: 1...65536)
    }
    let layers = try perLevel("layers_per_block", 2)
    // For historical reasons, diffusers' attention_head_dim is the number of heads.
    let heads = try perLevel(
      config["num_attention_heads"] == nil ? "attention_head_dim" : "num_attention_heads", 8)
    let depths = try TransformerDepths(config, layers: layers)
    let downTypes = try config.strings("down_block_types")
    let upTypes = try config.strings("up_block_types")
    guard downTypes.count == count else { throw refuse("down_block_types", "\(downTypes)") }
    guard upTypes.count == count else { throw refuse("up_block_types", "\(upTypes)") }
    down = try (0..<count).map { level in
      let attends = try Self.attends(downTypes[level], plain: "DownBlock2D", with: "CrossAttnDownBlock2D") {
        refuse("down_block_types", downTypes[level])
      }
      return Level(
        width: widths[level], layers: layers[level], heads: heads[level],
        depths: attends ? try depths.down(level, layers: layers[level]) : [])
    }
    up = try (0..<count).map { index in
      let level = count - 1 - index
      let attends = try Self.attends(upTypes[index], plain: "UpBlock2D", with: "CrossAttnUpBlock2D") {
        refuse("up_block_types", upTypes[index])
      }
      return Level(
        width: widths[level], layers: layers[level] + 1, heads: heads[level],
        depths: attends ? try depths.up(index, layers: layers[level] + 1) : [])
    }
    middle = try Self.middle(config, depth: depths.middle)
    inputChannels = try config.int("in_channels", default: 4, in: 1...65536)
    outputChannels = try config.int("out_channels", default: 4, in: 1...65536)
    let contextWidths = try config.intOrInts(
      "cross_attention_dim", count: count, default: 1280, in: 1...65536)
    guard Set(contextWidths).count == 1 else { throw refuse("cross_attention_dim", "\(contextWidths)") }
    contextWidth = contextWidths[0]
    groups = try config.int("norm_num_groups", default: 32, in: 1...65536)
    epsilon = Float(try config.double("norm_eps", default: 1e-5))
    linearProjection = try config.bool("use_linear_projection", default: false)
    let (cosinesFirst, shift) = (
      try config.bool("flip_sin_to_cos", default: true), try config.float("freq_shift", default: 0)
    )
    timestep = SinusoidalEmbedding(width: widths[0], cosinesFirst: cosinesFirst, frequencyShift: shift)
    added = try Self.added(config) {
      SinusoidalEmbedding(width: $0, cosinesFirst: cosinesFirst, frequencyShift: shift)
    }
    guidanceWidth = try config.intIfPresent("time_cond_proj_dim", in: 4...65536)
    let trained = try config.int("sample_size", default: 64, in: 1...65536)
    // The first releases of diffusers wrote a wrong size; diffusers corrects it when loading, so we do too.
    let isOld = Self.isBefore09(try config.stringIfPresent("_diffusers_version"))
    sampleSize = isOld ? max(64, trained) : trained
    mixture = try config.objectIfPresent("segmoe_config").map {
      try MixtureConfiguration($0, levels: count)
    }
  }

  /// Keys that change what a UNet computes, with the values that are supported.
  private static let onlyWith: [(key: String, allowed: [JSONValue])] = [
    ("act_fn", [.string("silu"), .string("swish")]),
    ("attention_type", [.string("default")]),
    ("center_input_sample", [.bool(false)]),
    ("class_embed_type", []),
    ("class_embeddings_concat", [.bool(false)]),
    ("conv_in_kernel", [.integer(3), .number(3)]),
    ("conv_out_kernel", [.integer(3), .number(3)]),
    ("cross_attention_norm", []),
    ("downsample_padding", [.integer(1), .number(1)]),
    ("dual_cross_attention", [.bool(false)]),
    ("encoder_hid_dim", []),
    ("encoder_hid_dim_type", []),
    ("mid_block_only_cross_attention", [.bool(false)]),
    ("mid_block_scale_factor", [.integer(1), .number(1)]),
    ("num_class_embeds", []),
    ("only_cross_attention", [.bool(false)]),
    ("resnet_out_scale_factor", [.integer(1), .number(1)]),
    ("resnet_skip_time_act", [.bool(false)]),
    ("resnet_time_scale_shift", [.string("default")]),
    ("time_embedding_act_fn", []),
    ("time_embedding_dim", []),
    ("time_embedding_type", [.string("positional")]),
    ("timestep_post_act", []),
  ]

  /// Whether a version of diffusers is older than 0.9.0.
  private static func isBefore09(_ version: String?) -> Bool {
    let numbers = (version ?? "0.9").split(separator: ".").prefix(2).map { Int($0) ?? 9 }
    return numbers.count == 2 && numbers[0] == 0 && numbers[1] < 9
  }

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
