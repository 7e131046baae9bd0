import Checkpoints
import Tensors
import TestSupport
import Testing

/// Layers by the names that trainers give them.
extension LoRAFileTests {
  /// A UNet of two levels as diffusers names it, in shapes that tell its layers apart.
  static let unet: [String: TestTensor] = [
    "conv_in.weight": TestTensor([3, 4, 3, 3], seed: 30),
    "time_embedding.linear_1.weight": TestTensor([5, 3], seed: 31),
    "down_blocks.0.resnets.0.conv1.weight": TestTensor([3, 3, 3, 3], seed: 32),
    "down_blocks.0.resnets.0.time_emb_proj.weight": TestTensor([3, 5], seed: 33),
    "down_blocks.0.downsamplers.0.conv.weight": TestTensor([3, 3, 3, 3], seed: 34),
    "down_blocks.1.resnets.0.conv1.weight": TestTensor([4, 3, 3, 3], seed: 35),
    "down_blocks.1.resnets.0.conv_shortcut.weight": TestTensor([4, 3, 1, 1], seed: 36),
    "down_blocks.1.attentions.0.norm.weight": TestTensor([4], seed: 37),
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight": TestTensor([4, 4], seed: 38),
    "mid_block.resnets.0.conv1.weight": TestTensor([4, 4, 3, 3], seed: 39),
    "mid_block.attentions.0.norm.weight": TestTensor([4], seed: 40),
    "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight": TestTensor([4, 8], seed: 41),
    "mid_block.resnets.1.conv1.weight": TestTensor([4, 4, 3, 3], seed: 42),
    "up_blocks.0.resnets.0.conv1.weight": TestTensor([4, 8, 3, 3], seed: 43),
    "up_blocks.0.attentions.0.norm.weight": TestTensor([4], seed: 44),
    "up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": TestTensor([4, 6], seed: 45),
    "up_blocks.0.upsamplers.0.conv.weight": TestTensor([4, 4, 3, 3], seed: 46),
    "up_blocks.1.resnets.0.conv1.weight": TestTensor([3, 7, 3, 3], seed: 47),
    "conv_out.weight": TestTensor([4, 3, 3, 3], seed: 48),
  ]

  /// Layers by CompVis' numbers, as kohya's trainers name them for SDXL: checked against the names that
  /// diffusers' converter gives (`single_files.py` proves the whole map).
  @Test(arguments: [
    ("input_blocks_0_0", "conv_in"), ("time_embed_0", "time_embedding.linear_1"),
    ("input_blocks_1_0_in_layers_2", "down_blocks.0.resnets.0.conv1"),
    ("input_blocks_1_0_emb_layers_1", "down_blocks.0.resnets.0.time_emb_proj"),
    ("input_blocks_2_0_op", "down_blocks.0.downsamplers.0.conv"),
    ("input_blocks_3_0_skip_connection", "down_blocks.1.resnets.0.conv_shortcut"),
    (
      "input_blocks_3_1_transformer_blocks_0_attn1_to_q",
      "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    ),
    (
      "middle_block_1_transformer_blocks_0_ff_net_2", "mid_block.attentions.0.transformer_blocks.0.ff.net.2"
    ),
    ("middle_block_2_in_layers_2", "mid_block.resnets.1.conv1"),
    (
      "output_blocks_0_1_transformer_blocks_0_attn2_to_k",
      "up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    ),
    ("output_blocks_0_2_conv", "up_blocks.0.upsamplers.0.conv"),
    ("output_blocks_1_0_in_layers_2", "up_blocks.1.resnets.0.conv1"), ("out_2", "conv_out"),
  ]) func layersByTheirCompVisNames(_ flat: String, _ layer: String) throws {
    let folder = try TemporaryFolder()
    let base = try #require(Self.unet[layer + ".weight"])
    let down = TestTensor([2] + base.shape.dropFirst(), seed: 60)
    let up = TestTensor([base.shape[0], 2] + base.shape.dropFirst(2).map { _ in 1 }, seed: 61)
    let file = try lora(
      folder, ["lora_unet_\(flat).lora_down.weight": down, "lora_unet_\(flat).lora_up.weight": up])
    let path = try folder.write("whole.safetensors", tensors: Self.unet)
    let weights = try Weights(files: [SafetensorsFile(path: path)], path: path)
    let patched = try file.apply(to: [.unet: weights])
    try expect(patched[.unet], layer + ".weight", base, plus: product(up, down), times: 1)
  }

  /// SDXL's two text encoders by kohya's prefixes.
  @Test func bothTextEncodersByTheirPrefixes() throws {
    let folder = try TemporaryFolder()
    let layer = "text_model_encoder_layers_0_mlp_fc1"
    let base = TestTensor([6, 4], seed: 70)
    let networks = try ["one", "two"].map { name in
      let path = try folder.write(
        "\(name).safetensors", tensors: ["text_model.encoder.layers.0.mlp.fc1.weight": base])
      return try Weights(files: [SafetensorsFile(path: path)], path: path)
    }
    let file = try lora(
      folder,
      [
        "lora_te1_\(layer).lora_down.weight": down, "lora_te1_\(layer).lora_up.weight": up,
        "lora_te2_\(layer).lora_down.weight": down, "lora_te2_\(layer).lora_up.weight": up,
        "lora_te2_\(layer).alpha": TestTensor([], [1]),
      ])
    let patched = try file.apply(to: [.textEncoder: networks[0], .textEncoder2: networks[1]])
    let name = "text_model.encoder.layers.0.mlp.fc1.weight"
    try expect(patched[.textEncoder], name, base, plus: product(up, down), times: 1)
    try expect(patched[.textEncoder2], name, base, plus: product(up, down), times: 0.5)
  }
}
