/// The network of a model that a LoRA changes.
package enum LoRAComponent: String, Sendable, CaseIterable {
  case unet = "unet"
  case textEncoder = "text_encoder"
  case textEncoder2 = "text_encoder_2"
}

/// A tensor's name in a LoRA file, split into network, layer and factor.
///
/// Styles: PEFT and diffusers (`unet.<layer>.lora_A.weight`, `unet.<layer>.lora.down.weight`, and the old
/// `….processor.to_q_lora.down.weight`), kohya and LyCORIS
/// (`lora_unet_<layer with underscores>.lora_down.weight`, `.hada_w1_a`, `.lokr_w1`…), SimpleTuner
/// (`lycoris_<layer with underscores>.…`), ComfyUI and OneTrainer (`diffusion_model.<layer>.…`,
/// `text_encoders.clip_l.transformer.<layer>.…`).
package struct LoRAKey: Equatable {
  package let component: LoRAComponent
  /// The layer: dotted, or with underscores if `isFlat`.
  package let layer: String
  let isFlat: Bool
  package let factor: AdapterFactor
  /// Whether the name begins as PEFT's wrapper makes it begin.
  package private(set) var isWrapped = false

  /// nil for a name of no known style.
  /// - Parameters:
  ///   - name: the tensor's name.
  ///   - unprefixed: the network of names that name none.
  package init?(_ name: String, unprefixed: LoRAComponent? = nil) {
    guard let (rest, factor) = AdapterFactor.split(name) else { return nil }
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
      isWrapped = isWrapped || wrapper == "base_model.model."
    }
    if let (prefix, component) = Self.dottedPrefixes.first(where: { dotted.hasPrefix($0.0) }) {
      self.component = component
      dotted.removeFirst(prefix.count)
    } else {
      component = unprefixed ?? (dotted.hasPrefix("text_model.") ? .textEncoder : .unet)
    }
    guard !dotted.isEmpty else { return nil }
    layer = Self.withoutProcessor(dotted)
    isFlat = false
  }

  /// If one prefix is the beginning of another, the longer one comes first.
  private static let flatPrefixes: [(String, LoRAComponent)] = [
    ("lora_unet_", .unet), ("lora_te1_", .textEncoder), ("lora_te2_", .textEncoder2),
    ("lora_te_", .textEncoder),
    ("lycoris_unet_", .unet), ("lycoris_te1_", .textEncoder), ("lycoris_te2_", .textEncoder2),
    ("lycoris_te_", .textEncoder), ("lycoris_", .unet),
  ]

  private static let dottedPrefixes: [(String, LoRAComponent)] = [
    ("unet.", .unet), ("text_encoder.", .textEncoder), ("text_encoder_2.", .textEncoder2),
    ("text_encoder_1.", .textEncoder),
    ("model.diffusion_model.", .unet), ("diffusion_model.", .unet),
    ("text_encoders.clip_l.transformer.", .textEncoder), ("text_encoders.clip_l.", .textEncoder),
    ("text_encoders.clip_g.transformer.", .textEncoder2), ("text_encoders.clip_g.", .textEncoder2),
    ("clip_l.transformer.", .textEncoder), ("clip_l.", .textEncoder),
    ("clip_g.transformer.", .textEncoder2), ("clip_g.", .textEncoder2),
  ]

  /// Old diffusers wrote attention layers as parts of a "processor": `attn1.processor.to_out` is
  /// `attn1.to_out.0`, and in text encoders `self_attn.to_q` is `self_attn.q_proj`.
  private static func withoutProcessor(_ layer: String) -> String {
    var parts = layer.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let isOld = parts.contains("processor")
    // PEFT's tuned normalizations are layers within the layer.
    parts.removeAll { $0 == "processor" || $0 == "ln_tuning_layers" }
    if parts.count >= 2, parts[parts.count - 2] == "self_attn", let last = parts.last, last.hasPrefix("to_") {
      parts[parts.count - 1] = last.dropFirst(3) + "_proj"
    } else if isOld, parts.last == "to_out" {
      parts.append("0")
    }
    return parts.joined(separator: ".")
  }
}
