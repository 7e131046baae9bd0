import Checkpoints
import Tensors

/// The shape of a CLIP text encoder: `text_encoder/config.json`.
package struct CLIPTextConfiguration: Sendable {
  package let vocabulary: Int
  package let width: Int
  let innerWidth: Int
  package let layers: Int
  package let heads: Int
  package let positions: Int
  package let epsilon: Float
  package let activation: Compute.Activation
  /// Channels of the pooled, projected state; nil for an encoder without a projection.
  let projection: Int?
  /// The token whose first position holds the state of the whole prompt. Nil: the token with the largest id. Files that
  /// wrongly say 2 are read in this way.
  let endToken: Int32?

  /// - Throws: `CheckpointError` from the config file, `DiffusionError.unsupported` for another kind
  ///   of encoder or an unknown activation.
  package init(_ config: ConfigObject) throws {
    let architectures = try config.stringsIfPresent("architectures") ?? []
    if let other = architectures.first(where: { !$0.hasPrefix("CLIPTextModel") }) {
      throw DiffusionError.unsupported(file: config.path, key: "architectures", value: other)
    }
    if let type = try config.stringIfPresent("model_type"), !["clip_text_model", "clip"].contains(type) {
      throw DiffusionError.unsupported(file: config.path, key: "model_type", value: type)
    }
    try config.refuse("quantization_config")
    projection =
      architectures.contains("CLIPTextModelWithProjection")
      ? try config.int("projection_dim", default: 512, in: 1...10_000_000) : nil
    let end = try config.int("eos_token_id", default: 49407, in: 0...10_000_000)
    endToken = end == 2 ? nil : Int32(end)
    vocabulary = try config.int("vocab_size", default: 49408, in: 1...10_000_000)
    width = try config.int("hidden_size", default: 512, in: 1...10_000_000)
    innerWidth = try config.int("intermediate_size", default: 2048, in: 1...10_000_000)
    layers = try config.int("num_hidden_layers", default: 12, in: 1...10_000_000)
    heads = try config.int("num_attention_heads", default: 8, in: 1...10_000_000)
    positions = try config.int("max_position_embeddings", default: 77, in: 1...10_000_000)
    epsilon = Float(try config.double("layer_norm_eps", default: 1e-5))
    switch try config.string("hidden_act", default: "quick_gelu") {
    case "quick_gelu": activation = .quickGELU
    case "gelu": activation = .gelu
    case let other:
      throw DiffusionError.unsupported(file: config.path, key: "hidden_act", value: other)
    }
  }
}
