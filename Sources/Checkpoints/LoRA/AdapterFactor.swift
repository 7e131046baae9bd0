/// The role of a tensor in an adapter's file, told by the end of its name.
package enum AdapterFactor: String, CaseIterable, Sendable {
  /// Factors of the change. It is multiplied by alpha / rank, or by `scale` instead; and by `scalar`.
  case alpha, scale, scalar
  /// LoRA's two factors, and the core between them.
  case down, up, mid
  /// PEFT's LoRA: added to the bias.
  case upBias
  /// DoRA: the magnitude of every row or column, in the spelling of kohya and LyCORIS, and in PEFT's.
  case doraScale = "dora_scale"
  case magnitude = "lora_magnitude_vector"
  /// Whole differences of a weight and a bias, and of a normalization's.
  case diff
  case diffBias = "diff_b"
  case normWeight = "w_norm"
  case normBias = "b_norm"
  /// A bias that replaces the layer's.
  case bias
  /// What LyCORIS' extraction keeps beside a product: the few largest numbers of the rest, their places `[2, count]` in
  /// the weight as a matrix, and the matrix's size. It is called a bias, and is none.
  case restIndices = "bias_indices"
  case restValues = "bias_values"
  case restSize = "bias_size"
  /// LoHa.
  case hadaW1A = "hada_w1_a"
  case hadaW1B = "hada_w1_b"
  case hadaW2A = "hada_w2_a"
  case hadaW2B = "hada_w2_b"
  case hadaT1 = "hada_t1"
  case hadaT2 = "hada_t2"
  /// LoKr.
  case lokrW1 = "lokr_w1"
  case lokrW1A = "lokr_w1_a"
  case lokrW1B = "lokr_w1_b"
  case lokrW2 = "lokr_w2"
  case lokrW2A = "lokr_w2_a"
  case lokrW2B = "lokr_w2_b"
  case lokrT2 = "lokr_t2"
  /// OFT and BOFT of kohya and LyCORIS, and of PEFT.
  case oftBlocks = "oft_blocks"
  case rescale
  case oftRotation = "oft_R"
  case boftRotation = "boft_R"
  case boftScale = "boft_s"
  /// GLoRA.
  case gloraA1 = "a1"
  case gloraA2 = "a2"
  case gloraB1 = "b1"
  case gloraB2 = "b2"
  case gloraBM = "bm"
  /// IA³ of LyCORIS; without `on_input`, a whole weight that replaces the layer's (PEFT's `modules_to_save`).
  case ia3Weight = "weight"
  /// IA³ of LyCORIS, and of PEFT.
  case ia3OnInput = "on_input"
  case ia3Scale = "ia3_l"

  /// Whether it only qualifies the others and is no change by itself.
  var isNumber: Bool { [.alpha, .scale, .scalar, .ia3OnInput].contains(self) }

  /// Whether it changes the layer's bias, and not its weight.
  var isOfBias: Bool { [.upBias, .diffBias, .normBias, .bias].contains(self) }

  /// Bytes of memory for each of its numbers while the adapter is applied: none where it is read with the weight.
  var bytesOfMemory: Int {
    switch self {
    case .diff, .diffBias, .normWeight, .normBias, .bias, .upBias: 0
    // Rotations are computed in double precision.
    case .oftBlocks, .oftRotation, .boftRotation: 40
    case .restIndices, .restValues: 24
    default: MemoryLayout<Float>.stride
    }
  }

  /// Splits a tensor's name into layer and factor; nil for an unknown ending.
  static func split(_ name: String) -> (layer: String, factor: AdapterFactor)? {
    for (suffix, factor) in spellings where name.hasSuffix(suffix) {
      return (String(name.dropLast(suffix.count)), factor)
    }
    var parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    func layer(_ dropping: Int) -> String { parts.dropLast(dropping).joined(separator: ".") }
    // In PEFT these are modules or parameters, and the adapter's name may follow: `lora_A.default.weight`.
    let isWeight = parts.last == "weight"
    for length in isWeight ? [2, 3] : [1, 2] where parts.count > length {
      if let factor = modules[parts[parts.count - length]] { return (layer(length), factor) }
    }
    guard parts.count > 1, let last = parts.last, let factor = AdapterFactor(rawValue: last),
      !named.contains(factor)
    else { return nil }
    // PEFT wraps the original layer and calls it `base_layer`.
    if factor == .bias, parts[parts.count - 2] == "base_layer" { parts.remove(at: parts.count - 2) }
    return (layer(1), factor)
  }

  private static let spellings: [(String, AdapterFactor)] = [
    (".lora_B.bias", .upBias), (".lora_B.default.bias", .upBias),
    (".lora_down.weight", .down), (".lora_up.weight", .up), (".lora_mid.weight", .mid),
    (".lora.down.weight", .down), (".lora.up.weight", .up),
    (".lora_linear_layer.down.weight", .down), (".lora_linear_layer.up.weight", .up),
    ("_lora.down.weight", .down), ("_lora.up.weight", .up), (".lora.dora_scale", .doraScale),
    (".a1.weight", .gloraA1), (".a2.weight", .gloraA2), (".b1.weight", .gloraB1), (".b2.weight", .gloraB2),
    (".bm.weight", .gloraBM), (".oft_diag", .oftBlocks),
  ]

  private static let modules: [String: AdapterFactor] = [
    "lora_A": .down, "lora_B": .up, "lora_magnitude_vector": .magnitude, "oft_R": .oftRotation,
    "boft_R": .boftRotation, "boft_s": .boftScale, "ia3_l": .ia3Scale, "hada_w1_a": .hadaW1A,
    "hada_w1_b": .hadaW1B, "hada_w2_a": .hadaW2A, "hada_w2_b": .hadaW2B, "hada_t1": .hadaT1,
    "hada_t2": .hadaT2,
    "lokr_w1": .lokrW1, "lokr_w1_a": .lokrW1A, "lokr_w1_b": .lokrW1B, "lokr_w2": .lokrW2,
    "lokr_w2_a": .lokrW2A, "lokr_w2_b": .lokrW2B, "lokr_t2": .lokrT2,
  ]

  /// Factors that need more than the raw value as the ending of a name.
  private static let named: Set<AdapterFactor> = [
    .down, .up, .mid, .upBias, .gloraA1, .gloraA2, .gloraB1, .gloraB2, .gloraBM,
  ]
}
