/// The network of a model that a LoRA changes.
package enum LoRAComponent: String, Sendable, CaseIterable {
  case unet = "unet"
  case textEncoder = "text_encoder"
  case textEncoder2 = "text_encoder_2"
}

/// One tensor's name in a LoRA file, taken apart: which network, which layer, which factor.
///
/// Styles: PEFT and diffusers (`unet.<layer>.lora_A.weight`, `unet.<layer>.lora.down.weight`, and the old
/// `….processor.to_q_lora.down.weight`), and kohya and LyCORIS
/// (`lora_unet_<layer with underscores>.lora_down.weight`, `.hada_w1_a`, `.lokr_w1`…).
struct LoRAKey: Equatable {
  let component: LoRAComponent
  /// The layer: dotted, or with underscores if `isFlat`.
  let layer: String
  let isFlat: Bool
  let factor: Factor

  /// What a tensor is to the change of its layer.
  enum Factor: String, CaseIterable {
    case down, up, mid, alpha
    case hadaW1A = "hada_w1_a"
    case hadaW1B = "hada_w1_b"
    case hadaW2A = "hada_w2_a"
    case hadaW2B = "hada_w2_b"
    case hadaT1 = "hada_t1"
    case hadaT2 = "hada_t2"
    case lokrW1 = "lokr_w1"
    case lokrW1A = "lokr_w1_a"
    case lokrW1B = "lokr_w1_b"
    case lokrW2 = "lokr_w2"
    case lokrW2A = "lokr_w2_a"
    case lokrW2B = "lokr_w2_b"
    case lokrT2 = "lokr_t2"
  }

  /// nil if the name is of no style known here (DoRA's `dora_scale`, whole-weight `diff`…).
  init?(_ name: String) {
    guard let (rest, factor) = Self.splitFactor(name) else { return nil }
    self.factor = factor
    for (prefix, component) in Self.flatPrefixes where rest.hasPrefix(prefix) {
      self.component = component
      layer = String(rest.dropFirst(prefix.count))
      isFlat = true
      return
    }
    var dotted = rest
    for wrapper in ["base_model.model.", "module."] where dotted.hasPrefix(wrapper) {
      dotted.removeFirst(wrapper.count)
    }
    // The longer prefix is another one, not the shorter with more behind it: both end in a dot.
    let prefixed = LoRAComponent.allCases.first { dotted.hasPrefix($0.rawValue + ".") }
    component = prefixed ?? .unet
    if let prefixed { dotted.removeFirst(prefixed.rawValue.count + 1) }
    guard !dotted.isEmpty else { return nil }
    layer = Self.withoutProcessor(dotted)
    isFlat = false
  }

  private static let flatPrefixes: [(String, LoRAComponent)] = [
    ("lora_unet_", .unet), ("lora_te1_", .textEncoder), ("lora_te2_", .textEncoder2),
    ("lora_te_", .textEncoder),
    ("lycoris_unet_", .unet), ("lycoris_te_", .textEncoder),
  ]

  private static let suffixes: [(String, Factor)] = [
    (".lora_A.weight", .down), (".lora_B.weight", .up),
    (".lora_A.default.weight", .down), (".lora_B.default.weight", .up),
    (".lora_down.weight", .down), (".lora_up.weight", .up), (".lora_mid.weight", .mid),
    (".lora.down.weight", .down), (".lora.up.weight", .up),
    (".lora_linear_layer.down.weight", .down), (".lora_linear_layer.up.weight", .up),
    ("_lora.down.weight", .down), ("_lora.up.weight", .up),
  ]

  private static func splitFactor(_ name: String) -> (rest: String, factor: Factor)? {
    for (suffix, factor) in suffixes where name.hasSuffix(suffix) {
      return (String(name.dropLast(suffix.count)), factor)
    }
    guard let dot = name.lastIndex(of: "."),
      let factor = Factor(rawValue: String(name[name.index(after: dot)...])),
      ![.down, .up, .mid].contains(factor)
    else { return nil }
    return (String(name[..<dot]), factor)
  }

  /// Old diffusers wrote attention layers as parts of a "processor": `attn1.processor.to_out` is
  /// `attn1.to_out.0`, and in text encoders `self_attn.to_q` is `self_attn.q_proj`.
  private static func withoutProcessor(_ layer: String) -> String {
    var parts = layer.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let isOld = parts.contains("processor")
    parts.removeAll { $0 == "processor" }
    if parts.count >= 2, parts[parts.count - 2] == "self_attn", let last = parts.last, last.hasPrefix("to_") {
      parts[parts.count - 1] = last.dropFirst(3) + "_proj"
    } else if isOld, parts.last == "to_out" {
      parts.append("0")
    }
    return parts.joined(separator: ".")
  }
}
