import Configuration

extension Recipe {
  /// Reads a recipe. Relative sources are looked for beside the recipe first, and then in the current folder, as in the
  /// reference.
  package init(reading path: String) throws(RecipeError) {
    let document: YAMLDocument
    do {
      document = try YAMLDocument(reading: path)
    } catch {
      throw .yaml(error)
    }
    try self.init(document.root, sources: SourceFinder(recipe: path))
  }

  /// Reads a recipe from text. Messages name `file`, and sources are looked for beside it.
  package init(parsing text: String, file: String) throws(RecipeError) {
    let document: YAMLDocument
    do {
      document = try YAMLDocument(parsing: text, file: file)
    } catch {
      throw .yaml(error)
    }
    try self.init(document.root, sources: SourceFinder(recipe: file))
  }

  private static let keys = [
    "base_model", "num_experts", "moe_layers", "num_experts_per_tok", "type", "init", "experts", "loras",
  ]
  private static let expertKeys = ["source_model", "positive_prompt", "negative_prompt", "loras"]
  private static let loraKeys = ["source_model", "positive_prompt", "negative_prompt", "weight"]
  /// The reference overwrites these when it merges, so a value given here would be a mistake.
  private static let derivedKeys = ["up_idx_start", "up_idx_end", "down_idx_start", "down_idx_end"]
  /// The most experts. It is far beyond any model, and small enough that a typing error does not fill a disk.
  private static let mostExperts = 256

  private init(_ root: YAMLNode, sources: SourceFinder) throws(RecipeError) {
    if case .mapping(let entries) = root.content,
      let entry = entries.first(where: { Recipe.derivedKeys.contains($0.key) })
    {
      throw .derivedKey(entry.position, key: entry.key)
    }
    do {
      let map = try root.mapping("the recipe", keys: Recipe.keys)
      written = root
      base = try sources.find(map.required("base_model"), "'base_model'", for: .ingredient)
      family = try map.choice("type")
      layers = try map.choice("moe_layers") ?? .attn
      gates = try map.choice("init") ?? .hidden
      let declared = try map.int("num_experts", in: 1...Recipe.mostExperts)
      let perToken = try map.int("num_experts_per_tok", in: 1...Int.max) ?? 1
      let loras = try Recipe.loras(map.sequence("loras"), of: "", sources)
      let listed = try Recipe.experts(map.sequence("experts"), sources)
      if listed.isEmpty {
        guard !loras.isEmpty else { throw RecipeError.noExperts(map["experts"]?.position ?? map.position) }
        experts = Recipe.spread(loras, over: declared ?? loras.count, base: base)
        baseLoRAs = []
      } else {
        experts = listed
        baseLoRAs = loras
        if let declared, declared != listed.count {
          let place = map["num_experts"]?.position ?? map.position
          throw RecipeError.expertCount(place, declared: declared, listed: listed.count)
        }
      }
      guard perToken <= experts.count else {
        let place = map["num_experts_per_tok"]?.position ?? map.position
        throw RecipeError.expertsPerToken(place, wanted: perToken, experts: experts.count)
      }
      expertsPerToken = perToken
    } catch let error as RecipeError {
      throw error
    } catch let error as YAMLError {
      throw .yaml(error)
    } catch {
      throw .yaml(.syntax(root.position, problem: "\(error)"))
    }
  }

  private static func experts(_ nodes: [YAMLNode], _ sources: SourceFinder) throws -> [Expert] {
    try nodes.enumerated().map { index, node in
      let name = "expert \(index + 1)"
      let map = try node.mapping(name, keys: expertKeys)
      // The reference needs all three; an empty negative prompt may also be written as nothing at all.
      let isNegativeEmpty = map.has("negative_prompt") && map["negative_prompt"] == nil
      return Expert(
        source: try sources.find(map.required("source_model"), "'source_model'", for: .ingredient),
        positivePrompt: try map.string("positive_prompt"),
        negativePrompt: isNegativeEmpty ? "" : try map.string("negative_prompt"),
        loras: try loras(map.sequence("loras"), of: " of \(name)", sources))
    }
  }

  private static func loras(
    _ nodes: [YAMLNode], of owner: String, _ sources: SourceFinder
  ) throws -> [LoRA] {
    try nodes.enumerated().map { index, node in
      let map = try node.mapping("LoRA \(index + 1)\(owner)", keys: loraKeys)
      return LoRA(
        source: try sources.find(map.required("source_model"), "'source_model'", for: .adapter),
        positivePrompt: try map.string("positive_prompt", default: ""),
        negativePrompt: try map.string("negative_prompt", default: ""),
        weight: try map.double("weight", in: -100...100) ?? 1)
    }
  }

  /// Copies of the base, each with some neighbouring LoRAs, as evenly as possible. Where the reference does not fail
  /// (up to one LoRA per expert, or one expert), this is its order. Copies without a LoRA are the plain base.
  private static func spread(_ loras: [LoRA], over count: Int, base: Source) -> [Expert] {
    (0..<count).map { index in
      let share = loras.count / count
      let extra = loras.count % count
      let start = index * share + min(index, extra)
      let end = start + share + (index < extra ? 1 : 0)
      return Expert(source: base, positivePrompt: "", negativePrompt: "", loras: Array(loras[start..<end]))
    }
  }
}
