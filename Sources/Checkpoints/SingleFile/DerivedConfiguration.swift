/// The configuration of a network, derived from the shapes of its tensors (under diffusers' names). Values that shapes
/// do not tell are those of the family.
struct DerivedConfiguration {
  let weights: Weights
  /// The family's values that shapes do not tell.
  let base: [String: JSONValue]
  /// The path that errors about the configuration name.
  let path: String
  /// The file in which a person can write what the shapes do not tell.
  let companion: String

  /// Channels of a head, in families that fix this instead of the number of heads.
  private static let headWidth = 64
  private static let groups = 32

  private func fault(_ key: String, _ reason: String) -> CheckpointError {
    .badConfig(path: path, key: key, reason: "\(reason); write \(companion) to say it")
  }

  private func shape(_ name: String) throws -> [Int] { try weights.stored(name).shape }

  /// One axis of a tensor.
  /// - Throws: `missingTensor`, `malformed` if it has no such axis.
  private func length(_ name: String, _ axis: Int) throws -> Int {
    let shape = try shape(name)
    guard shape.indices.contains(axis) else {
      throw CheckpointError.malformed(path: path, reason: "\(name) has shape \(shape)")
    }
    return shape[axis]
  }

  private func count(_ name: (Int) -> String) -> Int {
    var count = 0
    while weights.has(name(count)) { count += 1 }
    return count
  }

  private func config(_ values: [String: JSONValue]) -> ConfigObject {
    ConfigObject(path: path, values: values)
  }

  /// One number for all, or a list if they differ.
  private func oneOrAll(_ values: [Int]) -> JSONValue {
    Set(values).count == 1 ? .integer(values[0]) : .array(values.map(JSONValue.integer))
  }

  private func list(_ values: [Int]) -> JSONValue { .array(values.map(JSONValue.integer)) }

  private func heads(_ width: Int, _ key: String) throws -> Int {
    guard width % Self.headWidth == 0, width > 0 else {
      throw fault(key, "a width of \(width) does not tell the number of heads")
    }
    return width / Self.headWidth
  }

  private func checkGroups(_ widths: [Int]) throws {
    if let odd = widths.first(where: { $0 % Self.groups != 0 }) {
      throw fault("norm_num_groups", "a width of \(odd) does not fall into \(Self.groups) groups")
    }
  }
}

// MARK: - UNet

extension DerivedConfiguration {
  /// `unet/config.json`.
  /// - Parameters:
  ///   - headsAreEqual: whether every level has the number of heads in `base`. Otherwise all heads have the same width.
  ///   - pooledWidth: the width of the pooled text state that the time embedding takes; 0: none.
  func unet(headsAreEqual: Bool, pooledWidth: Int) throws -> ConfigObject {
    let layout = UNetLayout(diffusers: { weights.has($0) })
    guard !layout.down.isEmpty, layout.down.count == layout.up.count else {
      throw CheckpointError.malformed(path: path, reason: "the UNet's blocks are not complete")
    }
    let widths = try layout.down.indices.map { try length("down_blocks.\($0).resnets.0.conv1.weight", 0) }
    try checkGroups(widths)
    var values = base
    values["block_out_channels"] = list(widths)
    values["layers_per_block"] = oneOrAll(layout.down.map(\.attention.count))
    values["down_block_types"] = try types(layout.down, "DownBlock2D", "down_block_types")
    values["up_block_types"] = try types(layout.up, "UpBlock2D", "up_block_types")
    values["in_channels"] = .integer(try length("conv_in.weight", 1))
    values["out_channels"] = .integer(try length("conv_out.weight", 0))
    if layout.middleAttention == nil {
      values["mid_block_type"] = .null
    } else if layout.middleAttention == false {
      throw fault("mid_block_type", "the middle has no attention")
    }
    try addDepths(layout, to: &values)
    try addAttention(layout, to: &values)
    if !headsAreEqual { values["attention_head_dim"] = try heads(layout, widths: widths) }
    if weights.has("add_embedding.linear_1.weight") {
      let inputs = try length("add_embedding.linear_1.weight", 1)
      // Six numbers (sizes and crop), each as an embedding, follow the pooled state.
      guard inputs > pooledWidth, (inputs - pooledWidth) % 6 == 0 else {
        throw fault("addition_time_embed_dim", "\(inputs) inputs do not tell it")
      }
      values["addition_embed_type"] = .string("text_time")
      values["addition_time_embed_dim"] = .integer((inputs - pooledWidth) / 6)
      values["projection_class_embeddings_input_dim"] = .integer(inputs)
    }
    return config(values)
  }

  private func types(_ levels: [UNetLayout.Level], _ name: String, _ key: String) throws -> JSONValue {
    .array(
      try levels.map { level in
        guard Set(level.attention).count == 1 else {
          throw fault(key, "some residual blocks of a level have attention, some not")
        }
        return .string(level.attention[0] ? "CrossAttn" + name : name)
      })
  }

  /// The number of transformer blocks behind each residual block that has some.
  private func depths(_ side: String, _ levels: [UNetLayout.Level]) -> [[Int]] {
    levels.enumerated().map { index, level in
      level.attention.indices.filter { level.attention[$0] }.map { layer in
        count { "\(side).\(index).attentions.\(layer).transformer_blocks.\($0).norm1.weight" }
      }
    }
  }

  private func addDepths(_ layout: UNetLayout, to values: inout [String: JSONValue]) throws {
    var down = depths("down_blocks", layout.down)
    let up = depths("up_blocks", layout.up)
    let middle = count { "mid_block.attentions.0.transformer_blocks.\($0).norm1.weight" }
    // The middle has no key of its own: it goes with the last level, or stands for it.
    if let last = down.indices.last, middle > 0 {
      if down[last].isEmpty { down[last] = [middle] }
      guard down[last][0] == middle else {
        throw fault("transformer_layers_per_block", "the middle is not as deep as the last level")
      }
    }
    let isEven =
      down.allSatisfy { Set($0).count <= 1 }
      && zip(down, up.reversed()).allSatisfy { Set($1).count <= 1 && ($1.isEmpty || $0.first == $1.first) }
    if isEven {
      values["transformer_layers_per_block"] = oneOrAll(down.map { $0.first ?? 1 })
    } else {
      func nested(_ depths: [[Int]]) -> JSONValue {
        .array(depths.map { $0.isEmpty ? .integer(1) : list($0) })
      }
      values["transformer_layers_per_block"] = nested(down)
      values["reverse_transformer_layers_per_block"] = nested(up)
    }
  }

  private func addAttention(_ layout: UNetLayout, to values: inout [String: JSONValue]) throws {
    guard let level = layout.down.firstIndex(where: { $0.attention[0] }) else {
      throw fault("cross_attention_dim", "no level has attention")
    }
    let scope = "down_blocks.\(level).attentions.0"
    values["cross_attention_dim"] =
      .integer(try length("\(scope).transformer_blocks.0.attn2.to_k.weight", 1))
    values["use_linear_projection"] = .bool(try shape("\(scope).proj_in.weight").count == 2)
  }

  /// Heads of one width. A level without attention has a number too, which is not used.
  private func heads(_ layout: UNetLayout, widths: [Int]) throws -> JSONValue {
    let attends = zip(layout.down, layout.up.reversed()).map { $0.attention[0] || $1.attention[0] }
    return list(
      try widths.indices.map { index in
        attends[index] || index == widths.count - 1
          ? try heads(widths[index], "attention_head_dim") : max(1, widths[index] / Self.headWidth)
      })
  }
}

// MARK: - Autoencoder and text encoders

extension DerivedConfiguration {
  /// `vae/config.json`.
  func autoencoder() throws -> ConfigObject {
    let levels = count { "decoder.up_blocks.\($0).resnets.0.conv1.weight" }
    guard levels > 0 else { throw CheckpointError.missingTensor(name: "decoder.up_blocks.0", path: path) }
    let widths = try (0..<levels).map {
      try length("decoder.up_blocks.\(levels - 1 - $0).resnets.0.conv1.weight", 0)
    }
    try checkGroups(widths)
    var values = base
    values["block_out_channels"] = list(widths)
    values["down_block_types"] = .array(widths.map { _ in .string("DownEncoderBlock2D") })
    values["up_block_types"] = .array(widths.map { _ in .string("UpDecoderBlock2D") })
    values["layers_per_block"] = .integer(
      max(1, count { "decoder.up_blocks.0.resnets.\($0).conv1.weight" } - 1))
    values["latent_channels"] = .integer(try length("decoder.conv_in.weight", 1))
    values["out_channels"] = .integer(try length("decoder.conv_out.weight", 0))
    let attends = weights.has("decoder.mid_block.attentions.0.group_norm.weight")
    if !attends { values["mid_block_add_attention"] = .bool(false) }
    if !weights.has("post_quant_conv.weight") {
      values["use_post_quant_conv"] = .bool(false)
      values["use_quant_conv"] = .bool(false)
    }
    return config(values)
  }

  /// `config.json` of a text encoder.
  func textEncoder() throws -> ConfigObject {
    let scope = "text_model.embeddings"
    let width = try length("\(scope).token_embedding.weight", 1)
    var values = base
    values["vocab_size"] = .integer(try length("\(scope).token_embedding.weight", 0))
    values["max_position_embeddings"] = .integer(try length("\(scope).position_embedding.weight", 0))
    values["hidden_size"] = .integer(width)
    values["num_hidden_layers"] = .integer(
      count { "text_model.encoder.layers.\($0).layer_norm1.weight" })
    values["intermediate_size"] = .integer(try length("text_model.encoder.layers.0.mlp.fc1.weight", 0))
    values["num_attention_heads"] = .integer(try heads(width, "num_attention_heads"))
    if weights.has("text_projection.weight") {
      values["projection_dim"] = .integer(try length("text_projection.weight", 0))
    }
    return config(values)
  }
}
