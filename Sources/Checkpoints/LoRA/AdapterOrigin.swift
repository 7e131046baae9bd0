/// For which family of models an adapter was made.
struct AdapterOrigin: Equatable {
  /// The family's name.
  let family: String
  /// What tells it.
  let example: String

  /// Families by the width of the text states that their cross attention takes.
  private static let widths = [
    768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL",
  ]

  /// What trainers write into metadata, in small letters.
  private static let words = [
    ("flux", "Flux"), ("sd3", "Stable Diffusion 3"), ("stable-diffusion-3", "Stable Diffusion 3"),
    ("sdxl", "Stable Diffusion XL"), ("stable-diffusion-xl", "Stable Diffusion XL"),
    ("sd_v1", "Stable Diffusion 1"), ("sd_1.5", "Stable Diffusion 1"),
    ("stable-diffusion-v1", "Stable Diffusion 1"), ("sd_v2", "Stable Diffusion 2"),
    ("stable-diffusion-v2", "Stable Diffusion 2"), ("lumina", "Lumina"), ("hunyuan", "HunyuanDiT"),
    ("wan", "Wan"), ("qwen", "Qwen-Image"), ("chroma", "Chroma"), ("auraflow", "AuraFlow"),
  ]

  /// Tells the family, if it is another than the model's.
  /// - Parameters:
  ///   - layers: names of layers and the width of what each takes, where that is known.
  ///   - metadata: the file's.
  ///   - contextWidth: the context width of the text states that the model's cross attention takes; nil: unknown.
  ///   - hasSecondEncoder: whether the model has two text encoders.
  init?(
    layers: [(name: String, component: LoRAComponent, inputs: Int?)], metadata: [String: String],
    contextWidth: Int?, hasSecondEncoder: Bool
  ) {
    let own = contextWidth.flatMap { Self.widths[$0] }
    func isForeign(_ family: String) -> Bool { own != family }
    for layer in layers
    where ["attn2.to_k", "attn2.to_v", "attn2_to_k", "attn2_to_v"].contains(where: layer.name.hasSuffix) {
      guard let inputs = layer.inputs, let family = Self.widths[inputs], inputs != contextWidth else {
        continue
      }
      self.init(family: family, example: "\(layer.name) takes text states of width \(inputs)")
      return
    }
    for key in ["modelspec.architecture", "ss_base_model_version"] {
      guard let said = metadata[key],
        let family = Self.words.first(where: { said.lowercased().contains($0.0) })?.1,
        isForeign(family)
      else { continue }
      self.init(family: family, example: "\(key) says '\(said.prefix(60))'")
      return
    }
    // Only SDXL has more than one block in a transformer.
    let deeper = layers.first {
      $0.component == .unet && $0.name.firstMatch(of: /transformer_blocks[._][1-9]/) != nil
    }
    if !hasSecondEncoder, let deeper {
      self.init(family: "Stable Diffusion XL", example: deeper.name)
      return
    }
    if !hasSecondEncoder, let layer = layers.first(where: { $0.component == .textEncoder2 }) {
      self.init(
        family: "a model with two text encoders, such as Stable Diffusion XL", example: layer.name)
      return
    }
    return nil
  }

  private init(family: String, example: String) {
    self.family = family
    self.example = example
  }
}
