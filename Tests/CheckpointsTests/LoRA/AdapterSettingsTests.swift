import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

/// Where an adapter's strength is found, in which names its layers come, and what is said if neither is known.
@Suite struct AdapterSettingsTests {
  private let down = TestTensor([2, 4], seed: 20)
  private let up = TestTensor([6, 2], seed: 21)
  private let layer = "down_blocks.0.attn1.to_q"

  private func network(_ folder: TemporaryFolder) throws -> Weights {
    let path = try folder.write(
      "unet.safetensors",
      tensors: [layer + ".weight": TestTensor([6, 4], seed: 1), layer + ".bias": TestTensor([6], seed: 2)])
    return try Weights(files: [SafetensorsFile(path: path)], path: path)
  }

  /// How often the product of the factors is in the weight.
  private func scale(_ lora: LoRAFile, _ folder: TemporaryFolder) throws -> Float {
    let before = try network(folder)
    let after = try #require(try lora.apply(to: [.unet: before])[.unet])
    let old = try before.stored(layer + ".weight").read().values[0]
    let product = up.values[0] * down.values[0] + up.values[1] * down.values[4]
    return (try after.stored(layer + ".weight").read().values[0] - old) / product
  }

  private func lora(
    _ folder: TemporaryFolder, metadata: [String: String] = [:], more: [String: TestTensor] = [:],
    name: String = "lora.safetensors"
  ) throws -> LoRAFile {
    let tensors = ["unet.\(layer).lora_A.weight": down, "unet.\(layer).lora_B.weight": up]
    return try LoRAFile(
      path: folder.write(name, safetensors(tensors.merging(more) { $1 }, metadata: metadata)))
  }

  private static let said: [(metadata: [String: String], scale: Float)] = [
    (["lora_adapter_metadata": #"{"unet.lora_alpha": 6}"#], Float(3)),
    (["lora_adapter_metadata": #"{"lora_alpha": 6}"#], 3),
    (
      ["lora_adapter_metadata": #"{"lora_alpha": 6, "text_encoder.lora_alpha": 1, "use_rslora": true}"#],
      4.2426405
    ),
    (["lora_adapter_metadata": #"{"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn[12].to_q": 6}}"#], 3),
    (["lora_adapter_metadata": #"{"alpha_pattern": {".*to_q": 4, "to_q": 6}, "lora_alpha": 8}"#], 2),
    (["lora_adapter_metadata": #"{"alpha_pattern": {"to_q": 6, ".*to_q": 4}, "lora_alpha": 8}"#], 3),
    (["lora_alpha": "6"], 3), (["alpha": "6.0"], 3), (["ss_network_alpha": "1", "ss_network_dim": "2"], 0.5),
  ]

  @Test(arguments: said.indices) func alphaIsFoundInTheMetadata(_ index: Int) throws {
    let (metadata, expected) = Self.said[index]
    let folder = try TemporaryFolder()
    let lora = try lora(folder, metadata: metadata)
    #expect(abs(try scale(lora, folder) - expected) < 1e-4)
    #expect(lora.notices.isEmpty)
  }

  @Test func alphaIsFoundBesideTheFile() throws {
    let folder = try TemporaryFolder()
    try folder.write("a/adapter_config.json", #"{"peft_type": "LORA", "r": 2, "lora_alpha": 6}"#)
    #expect(abs(try scale(lora(folder, name: "a/adapter_model.safetensors"), folder) - 3) < 1e-4)
    #expect(abs(try scale(lora(folder, name: "a/adapter_model.bf16.safetensors"), folder) - 3) < 1e-4)
    // Among others in a folder, a settings file says nothing of them.
    #expect(abs(try scale(lora(folder, name: "a/other.safetensors"), folder) - 1) < 1e-4)
    try folder.write("b/adapter_config.json", #"{"peft_type": "VERA"}"#)
    let error = #expect(throws: CheckpointError.self) {
      try lora(folder, name: "b/adapter_model.safetensors")
    }
    #expect(error?.description.contains("VERA") == true)
  }

  @Test func anUnsaidAlphaIsSaid() throws {
    let folder = try TemporaryFolder()
    let lora = try lora(folder)
    #expect(abs(try scale(lora, folder) - 1) < 1e-4)
    #expect(lora.notices.count == 1 && lora.notices[0].contains("alpha"))
  }

  @Test(arguments: [
    ("I64", [UInt8](arrayLiteral: 6, 0, 0, 0, 0, 0, 0, 0)), ("I32", [6, 0, 0, 0]), ("I16", [6, 0]),
    ("I8", [6]),
    ("U8", [6]), ("U32", [6, 0, 0, 0]), ("F16", [0, 0x46]), ("F8_E4M3", [0x4c]),
  ]) func alphaMayBeAnyNumber(_ type: String, _ bytes: [UInt8]) throws {
    let folder = try TemporaryFolder()
    let header = """
      {"unet.\(layer).lora_A.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]},\
      "unet.\(layer).lora_B.weight":{"dtype":"F32","shape":[6,2],"data_offsets":[32,80]},\
      "unet.\(layer).alpha":{"dtype":"\(type)","shape":[],"data_offsets":[80,\(80 + bytes.count)]}}
      """
    let data = littleEndian(down.values) + littleEndian(up.values) + bytes
    let lora = try LoRAFile(path: folder.write("a.safetensors", safetensors(header: header, data: data)))
    #expect(abs(try scale(lora, folder) - 3) < 1e-4)
  }

  @Test(arguments: [
    "lycoris_down_blocks_0_attn1_to_q.lora_down.weight",
    "lycoris_unet_down_blocks_0_attn1_to_q.lora_down.weight",
    "diffusion_model.down_blocks.0.attn1.to_q.lora_A.weight", "down_blocks.0.attn1.to_q.lora_A.weight",
    "base_model.model.down_blocks.0.attn1.to_q.lora_A.other.weight",
  ]) func namesOfTrainers(_ name: String) throws {
    let folder = try TemporaryFolder()
    let other = name.replacing("lora_down", with: "lora_up").replacing("lora_A", with: "lora_B")
    let lora = try LoRAFile(path: folder.write("a.safetensors", tensors: [name: down, other: up]))
    #expect(abs(try scale(lora, folder) - 1) < 1e-4)
  }

  @Test(arguments: [
    ("text_encoders.clip_l.transformer.text_model.layers.0.q_proj.lora_A.weight", LoRAComponent.textEncoder),
    ("text_encoders.clip_g.transformer.text_model.layers.0.q_proj.lora_A.weight", .textEncoder2),
    ("clip_l.text_model.layers.0.q_proj.lora_down.weight", .textEncoder),
    ("lora_te2_text_model_layers_0_q_proj.dora_scale", .textEncoder2),
    ("base_model.model.text_model.layers.0.q_proj.lora_A.weight", .textEncoder),
  ]) func networksByTheirPrefixes(_ name: String, _ component: LoRAComponent) throws {
    #expect(LoRAKey(name)?.component == component)
  }

  @Test(arguments: [
    ("unet.a.vera_lambda_b", "VeRA"), ("unet.a.lora_E", "AdaLoRA"), ("unet.a.hra_u", "HRA"),
    ("transformer.blocks.0.lora_A.weight", "transformer"), ("bundle_emb.x.clip_l_out", "OneTrainer"),
    ("lora_unet_double_blocks_0_img.lora_down.weight", "Flux"),
    ("unet.a.lora_embedding_A", "token embeddings"),
    ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", "Flux"),
    ("lora_unet_joint_blocks_0_x_block_attn_proj.lora_down.weight", "Stable Diffusion 3"),
    ("diffusion_model.blocks.0.self_attn.q.lora_A.weight", "transformer"),
    ("transformer_blocks.0.attn.to_q.lora_A.weight", "transformer"),
    ("lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_down.weight", "T5"),
    ("lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", "two text encoders"),
    ("unet.down_blocks.1.attn2.to_v.lora_A.weight", "fit no layer"),
    ("unet.down_blocks.2.attentions.1.transformer_blocks.9.attn1.to_q.lora_A.weight", "Diffusion XL"),
    ("model.diffusion_model.input_blocks.0.0.weight", "is a whole model"),
    ("down_blocks.0.resnets.0.conv1.weight", "is a UNet"), ("emb_params", "--embedding"),
    ("decoder.conv_in.weight", "--vae"), ("control_model.input_blocks.0.0.weight", "ControlNet"),
  ]) func whatIsRefusedIsNamed(_ name: String, _ family: String) throws {
    let folder = try TemporaryFolder()
    let error = #expect(throws: CheckpointError.self) {
      try LoRAFile(path: folder.write("a.safetensors", tensors: [name: down])).apply(to: [
        .unet: network(folder)
      ])
    }
    #expect(error?.description.contains(family) == true, "\(String(describing: error))")
  }

  /// A LoRA for models with other text states is called after them, by its layers' shapes or its own word.
  @Test(arguments: [
    (768, [:], "Stable Diffusion 1 "), (1024, [:], "Stable Diffusion 2 "), (2048, [:], "Stable Diffusion XL"),
    (5, ["modelspec.architecture": "stable-diffusion-xl-v1-base/lora"], "Stable Diffusion XL"),
    (5, ["ss_base_model_version": "sdxl_base_v1-0"], "Stable Diffusion XL"),
    (5, ["ss_base_model_version": "sd_v1"], "Stable Diffusion 1 "), (5, [:], "other widths"),
  ]) func theFamilyOfItsModelsIsNamed(_ width: Int, _ metadata: [String: String], _ family: String) throws {
    let folder = try TemporaryFolder()
    let layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    let file = try SafetensorsFile(
      path: folder.write("n.safetensors", tensors: ["\(layer).weight": TestTensor([6, 4], seed: 1)]))
    let lora = try LoRAFile(
      path: folder.write(
        "a.safetensors",
        safetensors(
          [
            "unet.\(layer).lora_A.weight": TestTensor([2, width], seed: 1),
            "unet.\(layer).lora_B.weight": TestTensor([6, 2], seed: 2),
          ], metadata: metadata)))
    let error = #expect(throws: CheckpointError.self) {
      try lora.apply(to: [.unet: Weights(files: [file], path: file.path)])
    }
    #expect(error?.description.contains(family) == true, "\(String(describing: error))")
  }

  @Test func wordsComeWithALoRA() throws {
    let folder = try TemporaryFolder()
    let lora = try lora(
      folder,
      more: [
        "bundle_emb.my.word.clip_l": TestTensor([2, 3], seed: 1),
        "bundle_emb.my.word.clip_g": TestTensor([2, 5], seed: 2),
        "bundle_emb.old.string_to_param.*": TestTensor([1, 3], seed: 3),
      ])
    #expect(lora.words.map(\.token) == ["my.word", "old"])
    #expect(Set(lora.words[0].tensors.keys) == ["clip_l", "clip_g"])
    #expect(Set(lora.words[1].tensors.keys) == ["emb_params"])
  }

  @Test func aBiasThatIsNotThereIsSaid() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.safetensors", tensors: ["unet.conv_in.diff_b": TestTensor([6], seed: 1)])
    let network = try folder.write("n.safetensors", tensors: ["conv_in.weight": TestTensor([6, 4], seed: 1)])
    let weights = try Weights(files: [SafetensorsFile(path: network)], path: network)
    let error = #expect(throws: CheckpointError.self) { try LoRAFile(path: path).apply(to: [.unet: weights]) }
    #expect(error?.description.contains("bias") == true)
  }

  /// Python's answers for every pair of a pattern and a name.
  @Test func patternsFitAsInPython() throws {
    let text = try JSONValue(contentsOf: Places.golden("formats/patterns.json"), purpose: "patterns")
    guard case .array(let rows) = text else {
      Issue.record("no rows")
      return
    }
    for row in rows {
      guard case .array(let parts) = row, case .string(let pattern) = parts[0],
        case .string(let name) = parts[1],
        case .bool(let expected) = parts[2]
      else {
        Issue.record("\(row)")
        return
      }
      #expect(try NamePattern(pattern).fits(name) == expected, "\(pattern) on \(name)")
    }
    #expect(rows.count > 200)
    for wrong in ["(", "a)", "*", "a**", "[a", "a{5,2}", "\\", "(?=a)", "\\1", "\\b", "a{1,999}"] {
      #expect(throws: NamePattern.Fault.self, "\(wrong)") { try NamePattern(wrong) }
    }
    // What takes a backtracking engine for ever.
    #expect(try !NamePattern("(a+)+b").fits(String(repeating: "a", count: 200)))
  }
}
