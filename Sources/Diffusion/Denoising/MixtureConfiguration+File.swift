import Checkpoints
import Experts

extension MixtureConfiguration {
  /// Reads `segmoe_config`. The four index fields, if present, replace what the type implies.
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
        file: config.path, key: "segmoe_config.down_idx/up_idx",
        value: "\(down) and \(up) of \(levels) blocks")
    }
    guard experts > 0, perCall > 0, perCall <= experts else {
      throw DiffusionError.unsupported(
        file: config.path, key: "segmoe_config.num_experts_per_tok", value: "\(perCall) of \(experts) experts"
      )
    }
    self.init(
      experts: experts, expertsPerCall: perCall, layers: layers, downBlocks: down.0..<down.1,
      upBlocks: up.0..<up.1)
  }
}
