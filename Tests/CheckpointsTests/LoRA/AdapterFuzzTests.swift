import Checkpoints
import Fuzzing
import Tensors
import TestSupport
import Testing

/// Adapters put together at random, of names that trainers write and shapes that fit or do not: weights, or an error
/// that names the file, never a crash.
@Suite struct AdapterFuzzTests {
  private static let layers = [
    "unet.down_blocks.0.attn1.to_q", "base_model.model.conv_in", "lora_unet_conv_in", "lora_unet_norm",
    "lycoris_down_blocks_0_attn1_to_out_0", "diffusion_model.down_blocks.0.ff.net.2", "bundle_emb.a.b",
    "unet.down_blocks.0.attn1.to_k", "lora_te_text_model_layers_0_self_attn_q_proj", "unet", "",
  ]
  private static let endings =
    AdapterFactor.allCases.map { "." + $0.rawValue }
    + [
      ".lora_A.weight", ".lora_B.weight", ".lora_B.bias", ".lora_down.weight", ".lora_up.weight",
      ".lora_mid.weight", ".lora.down.weight", ".lora_A.default.weight", ".base_layer.bias", ".a1.weight",
      ".a2.weight", ".b1.weight", ".b2.weight", ".bm.weight", ".oft_R.weight", ".weight", ".emb_params",
      "_lora.up.weight", ".clip_l", ".string_to_param.*", ".",
    ]
  private static let lengths = [0, 1, 1, 2, 2, 3, 4, 4, 6, 6, 8, 9, 12, 18, 36]
  private static let types: [(name: String, bytes: Int)] = [
    ("F32", 4), ("F32", 4), ("F32", 4), ("F16", 2), ("BF16", 2), ("F8_E4M3", 1), ("I16", 2), ("I64", 8),
    ("BOOL", 1), ("F64", 8), ("U8", 1),
  ]

  /// Adapters of the layer `to_q`, `[6, 4]`, that fit.
  private static let sound: [[(ending: String, type: Int, shape: [Int])]] = [
    [(".lora_A.weight", 0, [2, 4]), (".lora_B.weight", 0, [6, 2]), (".alpha", 6, [])],
    [(".lora_A.weight", 3, [2, 4]), (".lora_B.weight", 4, [6, 2]), (".dora_scale", 0, [6, 1])],
    [
      (".lora_A.weight", 0, [2, 4]), (".lora_B.weight", 0, [6, 2]), (".bias_indices", 6, [2, 3]),
      (".bias_values", 0, [3]),
    ],
    [
      (".hada_w1_a", 0, [6, 2]), (".hada_w1_b", 0, [2, 4]), (".hada_w2_a", 0, [6, 2]),
      (".hada_w2_b", 0, [2, 4]),
    ],
    [(".lokr_w1", 0, [3, 2]), (".lokr_w2_a", 0, [2, 1]), (".lokr_w2_b", 0, [1, 2]), (".alpha", 0, [])],
    [(".oft_blocks", 0, [3, 2, 2]), (".rescale", 0, [6, 1])], [(".oft_blocks", 0, [1, 3, 2, 2])],
    [(".oft_R.weight", 0, [2, 1])], [(".boft_R", 0, [1, 2, 2, 2]), (".boft_s", 0, [6, 1])],
    [
      (".a1.weight", 0, [4, 2]), (".a2.weight", 0, [2, 4]), (".b1.weight", 0, [6, 2]),
      (".b2.weight", 0, [2, 4]),
    ],
    [(".weight", 0, [6]), (".on_input", 8, [])], [(".ia3_l", 0, [6, 1])], [(".diff", 3, [6, 4])],
  ]

  private static func file(_ numbers: inout RandomNumbers) -> [UInt8] {
    var (entries, data) = ([String: String](), [UInt8]())
    // A few layers only, so that factors meet.
    let layers = (0...numbers.below(2)).map { _ in Self.layers[numbers.below(Self.layers.count)] }
    let base = numbers.below(3) > 0 ? sound[numbers.below(sound.count)] : []
    let changed = numbers.below(2) == 0 ? numbers.below(max(1, base.count)) : base.count
    for index in 0..<max(base.count, 1 + numbers.below(7)) {
      let isSound = index < base.count && index != changed
      let name =
        index < base.count
        ? Self.layers[0] + base[index].ending
        : layers[numbers.below(layers.count)] + endings[numbers.below(endings.count)]
      guard entries[name] == nil else { continue }
      let shape =
        isSound
        ? base[index].shape : (0..<numbers.below(5)).map { _ in lengths[numbers.below(lengths.count)] }
      let type = types[isSound ? base[index].type : numbers.below(types.count)]
      let count = type.bytes * shape.reduce(1, *)
      guard count < 1 << 16 else { continue }
      entries[name] =
        "\"\(name)\":{\"dtype\":\"\(type.name)\",\"shape\":\(shape),"
        + "\"data_offsets\":[\(data.count),\(data.count + count)]}"
      // Small whole numbers and plain floats are worth more than noise.
      let pattern: [UInt8] = [
        [0, 0, 0, 0x3f], [1, 0, 0, 0], [0, 0x3c, 0, 0x3c], [0xff, 0xff, 0x7f, 0x7f],
      ][
        numbers.below(4)]
      data += (0..<count).map { pattern[$0 % 4] }
    }
    return safetensors(header: "{" + entries.values.sorted().joined(separator: ",") + "}", data: data)
  }

  @Test func fuzzedAdaptersNeverCrash() throws {
    let folder = try TemporaryFolder()
    let unet = try SafetensorsFile(
      path: folder.write(
        "unet.safetensors", tensors: LoRAFileTests.network.merging(LoRAFileTests.unet) { $1 }))
    let encoder = try SafetensorsFile(
      path: folder.write("text.safetensors", tensors: LoRAFileTests.encoder))
    let networks: [LoRAComponent: Weights] = [
      .unet: try Weights(files: [unet], path: unet.path),
      .textEncoder: try Weights(files: [encoder], path: encoder.path),
    ]
    var (opened, fused) = (0, 0)
    let run = try FuzzRun("adapters", cases: 4000) { _, numbers in
      let path = try folder.write("lora.safetensors", Self.file(&numbers))
      do {
        let lora = try LoRAFile(path: path)
        opened += 1
        #expect(lora.memory >= 0)
        let changed = try lora.apply(to: networks, weight: 0.5)
        for weights in changed.values {
          for stored in weights.tensors.values where !stored.isRaw {
            #expect(try stored.read().count == stored.count)
            fused += 1
          }
        }
      } catch let error as CheckpointError {
        #expect(error.path == path, "\(error)")
      }
    }
    #expect(opened > run.cases / 20 && fused > run.cases / 100, "\(opened) and \(fused) of \(run.cases)")
    #expect(run.isBounded)
  }
}
