import Checkpoints
import Tensors
import TestSupport
import Testing

/// Every style against the change computed by definition, element by element.
@Suite struct LoRAFileTests {
  /// A small network: a linear layer, one that became experts, a convolution, a text encoder's layer.
  static let network: [String: TestTensor] = [
    "down_blocks.0.attn1.to_q.weight": TestTensor([6, 4], seed: 1),
    "down_blocks.0.attn1.to_out.0.weight": TestTensor([4, 6], seed: 2),
    "down_blocks.0.attn1.to_k.gate.weight": TestTensor([2, 4], seed: 3),
    "down_blocks.0.attn1.to_k.experts.0.weight": TestTensor([6, 4], seed: 4),
    "down_blocks.0.attn1.to_k.experts.1.weight": TestTensor([6, 4], seed: 5),
    "down_blocks.0.ff.experts.0.net.2.weight": TestTensor([4, 6], seed: 6),
    "conv_in.weight": TestTensor([4, 2, 3, 3], seed: 7), "norm.weight": TestTensor([4], seed: 8),
  ]
  static let encoder = ["text_model.layers.0.self_attn.q_proj.weight": TestTensor([4, 4], seed: 9)]

  func networks(_ folder: TemporaryFolder) throws -> [LoRAComponent: Weights] {
    func open(_ name: String, _ tensors: [String: TestTensor]) throws -> Weights {
      let path = try folder.write(name, tensors: tensors)
      return try Weights(files: [SafetensorsFile(path: path)], path: path)
    }
    return [
      .unet: try open("unet.safetensors", Self.network),
      .textEncoder: try open("te.safetensors", Self.encoder),
    ]
  }

  func lora(
    _ folder: TemporaryFolder, _ tensors: [String: TestTensor], metadata: [String: String] = [:]
  ) throws -> LoRAFile {
    try LoRAFile(path: folder.write("lora.safetensors", safetensors(tensors, metadata: metadata)))
  }

  /// up [o, r] · down [r, i], by definition.
  func product(_ up: TestTensor, _ down: TestTensor) -> [Float] {
    let (rank, width) = (down.shape[0], down.values.count / down.shape[0])
    return (0..<up.shape[0]).flatMap { row in
      (0..<width).map { column in
        (0..<rank).map { up.values[row * rank + $0] * down.values[$0 * width + column] }.reduce(0, +)
      }
    }
  }

  func expect(
    _ weights: Weights?, _ name: String, _ base: TestTensor?, plus change: [Float], times scale: Float,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let base = try #require(base)
    let found = try #require(try weights?.stored(name).read()).values
    #expect(found.count == change.count, sourceLocation: sourceLocation)
    for (index, value) in found.enumerated() {
      let wanted = base.values[index] + scale * change[index]
      #expect(abs(value - wanted) < 1e-5, "\(name) at \(index)", sourceLocation: sourceLocation)
    }
    #expect(change.contains { abs($0 * scale) > 0.01 }, sourceLocation: sourceLocation)
  }

  let down = TestTensor([2, 4], seed: 20)
  let up = TestTensor([6, 2], seed: 21)

  static let spellings: [(down: String, up: String)] = [
    ("unet.down_blocks.0.attn1.to_q.lora_A.weight", "unet.down_blocks.0.attn1.to_q.lora_B.weight"),
    (
      "base_model.model.down_blocks.0.attn1.to_q.lora_A.weight",
      "base_model.model.down_blocks.0.attn1.to_q.lora_B.weight"
    ),
    ("unet.down_blocks.0.attn1.to_q.lora.down.weight", "unet.down_blocks.0.attn1.to_q.lora.up.weight"),
    (
      "unet.down_blocks.0.attn1.processor.to_q_lora.down.weight",
      "unet.down_blocks.0.attn1.processor.to_q_lora.up.weight"
    ),
    (
      "lora_unet_down_blocks_0_attn1_to_q.lora_down.weight",
      "lora_unet_down_blocks_0_attn1_to_q.lora_up.weight"
    ),
  ]

  @Test(arguments: spellings.indices) func everySpellingFindsItsLayer(_ index: Int) throws {
    let folder = try TemporaryFolder()
    let (downName, upName) = Self.spellings[index]
    let name = "down_blocks.0.attn1.to_q.weight"
    let file = try lora(folder, [downName: down, upName: up])
    #expect(file.components == [.unet] && file.layerCount == 1)
    // Without alpha the product counts as it is.
    let fused = try file.apply(to: networks(folder), weight: 0.5)
    try expect(fused[.unet], name, Self.network[name], plus: product(up, down), times: 0.5)
    let other = "down_blocks.0.attn1.to_out.0.weight"
    #expect(try fused[.unet]?.stored(other).read().values == Self.network[other]?.values)
    #expect(try fused[.textEncoder]?.stored("text_model.layers.0.self_attn.q_proj.weight").isRaw == true)
  }

  @Test func alphaComesFromItsTensorOrTheMetadata() throws {
    let folder = try TemporaryFolder()
    let name = "down_blocks.0.attn1.to_q.weight"
    let layer = "unet.down_blocks.0.attn1.to_q"
    let tensors = [layer + ".lora_A.weight": down, layer + ".lora_B.weight": up]
    let cases: [(more: [String: TestTensor], metadata: String?, scale: Float)] = [
      ([layer + ".alpha": TestTensor([], [1])], nil, 0.5),
      ([:], #"{"unet.lora_alpha": 6, "unet.r": 2}"#, 3),
      ([:], #"{"unet.lora_alpha": 6, "unet.alpha_pattern": {"attn1.to_q": 1, "to_k": 9}}"#, 0.5),
      ([:], #"{"unet.lora_alpha": 6, "unet.use_rslora": true}"#, 6 / Float(2).squareRoot()),
      ([:], #"{"text_encoder.lora_alpha": 6}"#, 1),
    ]
    for (more, metadata, scale) in cases {
      let file = try lora(
        folder, tensors.merging(more) { $1 }, metadata: metadata.map { ["lora_adapter_metadata": $0] } ?? [:])
      try expect(
        file.apply(to: networks(folder))[.unet], name, Self.network[name], plus: product(up, down),
        times: scale)
    }
    let dora = try lora(folder, tensors, metadata: ["lora_adapter_metadata": #"{"unet.use_dora": true}"#])
    #expect(throws: CheckpointError.self) { try dora.apply(to: networks(folder)) }
  }

  @Test func expertsAreChangedTogether() throws {
    let folder = try TemporaryFolder()
    let ffDown = TestTensor([1, 6], seed: 30)
    let ffUp = TestTensor([4, 1], seed: 31)
    let file = try lora(
      folder,
      [
        "unet.down_blocks.0.attn1.to_k.lora_A.weight": down,
        "unet.down_blocks.0.attn1.to_k.lora_B.weight": up,
        "lora_unet_down_blocks_0_ff_net_2.lora_down.weight": ffDown,
        "lora_unet_down_blocks_0_ff_net_2.lora_up.weight": ffUp,
      ])
    let fused = try file.apply(to: networks(folder))
    for expert in 0..<2 {
      let name = "down_blocks.0.attn1.to_k.experts.\(expert).weight"
      try expect(fused[.unet], name, Self.network[name], plus: product(up, down), times: 1)
    }
    let ff = "down_blocks.0.ff.experts.0.net.2.weight"
    try expect(fused[.unet], ff, Self.network[ff], plus: product(ffUp, ffDown), times: 1)
    let gate = "down_blocks.0.attn1.to_k.gate.weight"
    #expect(try fused[.unet]?.stored(gate).read().values == Self.network[gate]?.values)
  }

  @Test func textEncodersMatchWithAndWithoutPrefix() throws {
    let folder = try TemporaryFolder()
    let (down, up) = (TestTensor([1, 4], seed: 40), TestTensor([4, 1], seed: 41))
    let name = "text_model.layers.0.self_attn.q_proj.weight"
    for layer in [
      "text_encoder.layers.0.self_attn.q_proj", "text_encoder.text_model.layers.0.self_attn.q_proj",
      "text_encoder.text_model.layers.0.self_attn.to_q",
    ] {
      let file = try lora(
        folder, [layer + ".lora_linear_layer.down.weight": down, layer + ".lora_linear_layer.up.weight": up])
      try expect(
        file.apply(to: networks(folder))[.textEncoder], name, Self.encoder[name], plus: product(up, down),
        times: 1)
    }
    let file = try lora(
      folder,
      [
        "lora_te_text_model_layers_0_self_attn_q_proj.lora_down.weight": down,
        "lora_te_text_model_layers_0_self_attn_q_proj.lora_up.weight": up,
        "lora_te_text_model_layers_0_self_attn_q_proj.alpha": TestTensor([], [0.25]),
      ])
    try expect(
      file.apply(to: networks(folder))[.textEncoder], name, Self.encoder[name], plus: product(up, down),
      times: 0.25)
  }

  @Test func severalLoRAsAddUp() throws {
    let folder = try TemporaryFolder()
    let name = "down_blocks.0.attn1.to_q.weight"
    let layer = "unet.down_blocks.0.attn1.to_q"
    let first = try LoRAFile(
      path: folder.write(
        "1.safetensors", tensors: [layer + ".lora_A.weight": down, layer + ".lora_B.weight": up]))
    let (down2, up2) = (TestTensor([3, 4], seed: 50), TestTensor([6, 3], seed: 51))
    let second = try LoRAFile(
      path: folder.write(
        "2.safetensors", tensors: [layer + ".lora_A.weight": down2, layer + ".lora_B.weight": up2]))
    let fused = try second.apply(to: first.apply(to: networks(folder), weight: 1), weight: -2)
    let both = zip(product(up, down), product(up2, down2)).map { $0 - 2 * $1 }
    try expect(fused[.unet], name, Self.network[name], plus: both, times: 1)
    // A part read alone is the same part.
    let stored = try #require(try fused[.unet]?.stored(name))
    var part = [Float](repeating: 0, count: 9)
    try part.withUnsafeMutableBufferPointer { try stored.read(into: $0, elements: 6..<15) }
    #expect(try part == Array(stored.read().values[6..<15]))
  }

  // MARK: Refusals

  @Test func unmatchedKeysAreListed() throws {
    let folder = try TemporaryFolder()
    let strange = try #require(
      throws: CheckpointError.self,
      performing: { try lora(folder, ["unet.conv_in.weight": down, "x": up]) })
    #expect(
      strange
        == .unmatchedKeys(path: folder.path + "/lora.safetensors", keys: ["unet.conv_in.weight", "x"]))
    let file = try lora(
      folder,
      [
        "unet.down_blocks.0.attn1.to_q.lora_A.weight": down,
        "unet.down_blocks.0.attn1.to_q.lora_B.weight": up,
        "unet.mid.to_q.lora_A.weight": down, "unet.mid.to_q.lora_B.weight": up,
        "text_encoder.q.lora_A.weight": down, "text_encoder.q.lora_B.weight": up,
      ])
    let keys = [
      "text_encoder.q.lora_A.weight", "text_encoder.q.lora_B.weight", "unet.mid.to_q.lora_A.weight",
      "unet.mid.to_q.lora_B.weight",
    ]
    #expect(throws: CheckpointError.unmatchedKeys(path: file.path, keys: keys)) {
      try file.apply(to: networks(folder))
    }
  }

  @Test func factorsMustFit() throws {
    let folder = try TemporaryFolder()
    let layer = "unet.down_blocks.0.attn1.to_q"
    let bad: [[String: TestTensor]] = [
      [".lora_A.weight": down], [".lora_B.weight": up], [".lora_A.weight": up, ".lora_B.weight": down],
      [".lora_A.weight": TestTensor([2, 5], seed: 1), ".lora_B.weight": up],
      [".lora_A.weight": TestTensor([0, 4], []), ".lora_B.weight": TestTensor([6, 0], [])],
      [".lora_A.weight": TestTensor([8], seed: 1), ".lora_B.weight": up],
      [".lora_A.weight": down, ".lora_B.weight": up, ".alpha": TestTensor([2], [1, 2])],
      [".lora_A.weight": down, ".lora_B.weight": up, ".alpha": TestTensor([], [.nan])],
      [".lokr_w1": TestTensor([5, 2], seed: 1), ".lokr_w2": TestTensor([2, 2], seed: 2)],
      [".hada_w1_a": up, ".hada_w1_b": down, ".hada_w2_a": up],
      [
        ".hada_w1_a": up, ".hada_w1_b": down, ".hada_w2_a": up, ".hada_w2_b": TestTensor([2, 3], seed: 1),
      ],
      [
        ".hada_w1_a": up, ".hada_w1_b": down, ".hada_w2_a": TestTensor([5, 2], seed: 1), ".hada_w2_b": down,
      ],
      [".lora_mid.weight": TestTensor([2, 2, 3, 3], seed: 1), ".lora_A.weight": down, ".lora_B.weight": up],
      [".lora_A.weight": down, ".lora.down.weight": down, ".lora_B.weight": up],
    ]
    for (index, tensors) in bad.enumerated() {
      let named = Dictionary(uniqueKeysWithValues: tensors.map { (layer + $0.key, $0.value) })
      let error = #expect(throws: CheckpointError.self, "\(index)") {
        try lora(folder, named).apply(to: networks(folder))
      }
      #expect(error?.description.contains("to_q") == true, "\(String(describing: error))")
    }
    #expect(throws: CheckpointError.pickled(path: "a.ckpt")) { try LoRAFile(path: "a.ckpt") }
    #expect(throws: CheckpointError.self) { try lora(folder, [:]) }
  }
}
