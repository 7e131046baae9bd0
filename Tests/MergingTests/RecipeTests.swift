import Configuration
import Foundation
import Merging
import TestSupport
import Testing

/// A folder with sources that recipes can name.
final class RecipeFolder {
  private let place: TemporaryFolder
  var path: String { place.path }

  init() throws {
    place = try TemporaryFolder("base", "cats", "dogs", "lora", "owner/model")
    try place.write("food.safetensors", "")
  }

  func parse(_ text: String) throws(RecipeError) -> Recipe {
    try Recipe(parsing: text, file: "\(path)/c.yaml")
  }

  /// The complaint about a recipe, without the folder.
  func complaint(_ text: String) -> String {
    do throws(RecipeError) {
      _ = try parse(text)
      return "no error"
    } catch {
      return error.description.replacingOccurrences(of: "\(path)/", with: "")
    }
  }
}

@Suite struct RecipeTests {
  let folder: RecipeFolder

  init() throws { folder = try RecipeFolder() }

  static let full = """
    base_model: base
    num_experts: 2
    moe_layers: all
    num_experts_per_tok: 2
    type: sd
    init: random
    experts:
      - source_model: cats
        positive_prompt: a cat
        negative_prompt: grey
        loras:
          - source_model: lora
            positive_prompt: fluffy
            weight: 0.5
          - source_model: food.safetensors
      - source_model: dogs
        positive_prompt: "a dog"
        negative_prompt:
    """

  @Test func everythingIsRead() throws {
    let recipe = try folder.parse(Self.full)
    #expect(recipe.base.written == "base" && recipe.base.path == "\(folder.path)/base")
    #expect(recipe.base.position.line == 1 && recipe.base.position.column == 13)
    #expect(recipe.family == .sd && recipe.layers == .all && recipe.gates == .random)
    #expect(recipe.expertsPerToken == 2 && recipe.experts.count == 2 && recipe.baseLoRAs.isEmpty)
    let cats = recipe.experts[0]
    #expect(cats.source.path == "\(folder.path)/cats")
    #expect(cats.gatePrompt == "a cat fluffy" && cats.gateNegativePrompt == "grey")
    #expect(cats.loras.map(\.weight) == [0.5, 1])
    #expect(cats.loras[1].source.path == "\(folder.path)/food.safetensors")
    #expect(recipe.experts[1].negativePrompt.isEmpty)
    #expect(recipe.written.json.hasPrefix(#"{"base_model": "base", "num_experts": 2, "moe_layers": "all""#))
  }

  /// But for the type, which is the base's here.
  @Test func defaultsAreTheReferences() throws {
    let recipe = try folder.parse(
      "base_model: base\nexperts:\n- {source_model: cats, positive_prompt: a, negative_prompt: ''}\n")
    #expect(recipe.family == nil && recipe.layers == .attn && recipe.gates == .hidden)
    #expect(recipe.expertsPerToken == 1 && recipe.experts.count == 1)
  }

  @Test func lorasAloneSpreadOverCopiesOfTheBase() throws {
    func names(_ count: Int?, _ loras: Int) throws -> [[String]] {
      let lines = (0..<loras).map { "- {source_model: lora, positive_prompt: p\($0)}" }
      let head = "base_model: base\n" + (count.map { "num_experts: \($0)\n" } ?? "")
      let recipe = try folder.parse(head + "loras:\n" + lines.joined(separator: "\n"))
      #expect(recipe.experts.allSatisfy { $0.source == recipe.base } && recipe.baseLoRAs.isEmpty)
      return recipe.experts.map { $0.loras.map(\.positivePrompt) }
    }
    #expect(try names(nil, 2) == [["p0"], ["p1"]])
    #expect(try names(2, 5) == [["p0", "p1", "p2"], ["p3", "p4"]])
    #expect(try names(3, 2) == [["p0"], ["p1"], []])
    #expect(try names(1, 2) == [["p0", "p1"]])
  }

  @Test func lorasBesideExpertsBelongToTheBase() throws {
    let recipe = try folder.parse(Self.full + "\nloras: [{source_model: lora}]\n")
    #expect(recipe.baseLoRAs.count == 1 && recipe.experts.count == 2)
  }

  @Test func sourcesAreFoundBesideTheRecipeFirst() throws {
    let absolute = try folder.parse(
      Self.full.replacingOccurrences(of: "base_model: base", with: "base_model: \(folder.path)/owner/model"))
    #expect(absolute.base.path == "\(folder.path)/owner/model")
    // A folder named like a hub model is a folder.
    let hub = try folder.parse(
      Self.full.replacingOccurrences(of: "base_model: base", with: "base_model: owner/model"))
    #expect(hub.base.path == "\(folder.path)/owner/model")
    // Not beside the recipe, but in the current folder, which for tests is the package.
    let current = try folder.parse(
      Self.full.replacingOccurrences(of: "base_model: base", with: "base_model: Package.swift"))
    #expect(current.base.path == "Package.swift")
    #expect(
      try Recipe(parsing: "base_model: Sources\nloras: [{source_model: Tests}]", file: "c.yaml").base.path
        == "Sources")
  }

  static let expert = "- {source_model: cats, positive_prompt: a, negative_prompt: b}\n"

  @Test(arguments: [
    (
      "base_model: base\nnum_expert: 2\n",
      "c.yaml:2:1: unknown key 'num_expert' in the recipe: did you mean 'num_experts'?"
    ),
    ("num_experts: 2\n", "c.yaml:1:1: the recipe has no 'base_model': add 'base_model: …'"),
    (
      "base_model: base\n",
      "c.yaml:1:1: the recipe has no experts: list 'experts', or 'loras' to make them of the base model"
    ),
    (
      "base_model: base\nexperts: []\n",
      "c.yaml:2:10: the recipe has no experts: list 'experts', or 'loras' to make them of the base model"
    ),
    (
      "base_model: 5\n",
      "c.yaml:1:13: 'base_model' must be text, not number 5: put it in quotes if you mean text"
    ),
    ("- a\n", "c.yaml:1:1: the recipe must be keys and values ('key: value' lines), not a list"),
    (
      "base_model: base\nexperts: cats\n",
      "c.yaml:2:10: 'experts' must be a list ('- …' lines), not text 'cats'"
    ),
    (
      "base_model: base\nexperts:\n- cats\n",
      "c.yaml:3:3: expert 1 must be keys and values ('key: value' lines), not text 'cats'"
    ),
    (
      "base_model: base\nexperts:\n- source_model: cats\n  positive_prompt: a\n",
      "c.yaml:3:3: expert 1 has no 'negative_prompt': add 'negative_prompt: …'"
    ),
    (
      "base_model: base\nexperts:\n- source_model: cats\n  negative_prompt: a\n  positive_prompt:\n",
      "c.yaml:5:3: expert 1 has no 'positive_prompt': add 'positive_prompt: …'"
    ),
    (
      "base_model: base\nexperts:\n- positive_prompt: a\n  negative_prompt: b\n",
      "c.yaml:3:3: expert 1 has no 'source_model': add 'source_model: …'"
    ),
    (
      "base_model: base\nexperts:\n\(expert)- source: cats\n",
      "c.yaml:4:3: unknown key 'source' in expert 2: known here: source_model, positive_prompt, negative_prompt, loras"
    ),
    (
      "base_model: base\nexperts:\n- {source_model: cats, positive_prompt: no, negative_prompt: b}\n",
      "c.yaml:3:41: 'positive_prompt' must be text, not yes-or-no 'no': put it in quotes if you mean text"
    ),
    (
      "base_model: base\nloras:\n- {source_model: lora, weigth: 2}\n",
      "c.yaml:3:24: unknown key 'weigth' in LoRA 1: did you mean 'weight'?"
    ),
    (
      "base_model: base\nloras:\n- {source_model: lora, weight: heavy}\n",
      "c.yaml:3:32: 'weight' must be a number, not text 'heavy'"
    ),
    (
      "base_model: base\nexperts:\n- {source_model: cats, positive_prompt: a, negative_prompt: b, loras: [{}]}\n",
      "c.yaml:3:72: LoRA 1 of expert 1 has no 'source_model': add 'source_model: …'"
    ),
    (
      "base_model: base\nnum_experts: 4\nexperts:\n\(expert)\(expert)",
      "c.yaml:2:14: 'num_experts' is 4, but 2 experts are listed: write 2, or leave 'num_experts' out"
    ),
    (
      "base_model: base\nnum_experts: four\n",
      "c.yaml:2:14: 'num_experts' must be a whole number, not text 'four'"
    ),
    (
      "base_model: base\nnum_experts: 0\n", "c.yaml:2:14: 'num_experts' cannot be 0: it must be from 1 to 256"
    ),
    (
      "base_model: base\nnum_experts: 9999\nloras: [{source_model: lora}]\n",
      "c.yaml:2:14: 'num_experts' cannot be 9999: it must be from 1 to 256"
    ),
    (
      "base_model: base\nnum_experts_per_tok: 3\nexperts:\n\(expert)\(expert)",
      "c.yaml:2:22: 'num_experts_per_tok' is 3, but there are 2 experts: write a number from 1 to 2"
    ),
    (
      "base_model: base\nnum_experts_per_tok: 0\n",
      "c.yaml:2:22: 'num_experts_per_tok' cannot be 0: it must be at least 1"
    ),
    ("base_model: base\ntype: sdlx\n", "c.yaml:2:7: 'type' cannot be 'sdlx': did you mean 'sdxl'?"),
    (
      "base_model: base\nmoe_layers: both\n",
      "c.yaml:2:13: 'moe_layers' cannot be 'both': known here: attn, ff, all"
    ),
    ("base_model: base\ninit: hiden\n", "c.yaml:2:7: 'init' cannot be 'hiden': did you mean 'hidden'?"),
    (
      "base_model: base\nup_idx_start: 1\n",
      "c.yaml:2:1: 'up_idx_start' is worked out from the base model: remove it"
    ),
    (
      "base_model: base\nbase_model: base\n",
      "c.yaml:2:1: 'base_model' was already given in line 1: keep one of the two"
    ),
    (
      "base_model: ./none\n",
      "c.yaml:1:13: './none' is no file or folder (tried ./none, ./none): give the path of a model on this machine"
    ),
    ("base_model: ''\n", "c.yaml:1:13: '' is no file or folder: give the path of a model on this machine"),
    (
      "base_model: \"base\\0x\"\n",
      "c.yaml:1:13: 'base\u{0}x' is no file or folder: give the path of a model on this machine"
    ),
    (
      "base_model: https://example.org/a\n",
      "c.yaml:1:13: https://example.org/a: only models of huggingface.co and civitai.com can be pulled; "
        + "download the file and give its path"
    ),
    (
      "base_model: [\n", "c.yaml:2:1: not YAML: while parsing a flow node, did not find expected node content"
    ),
  ])
  func everyComplaintHasItsPlace(text: String, complaint: String) {
    #expect(folder.complaint(text) == complaint)
  }

  @Test func cardsAndLinksArePulledOnceEach() throws {
    let text = """
      base_model: "segmind/small-sd "
      num_experts: 2
      experts:
        - source_model: segmind/small-sd
          positive_prompt: "a (cat:1.2), [dog]"
          negative_prompt: ""
        - source_model: https://civitai.com/api/download/models/239306?type=Model&token=secret
          positive_prompt: b
          negative_prompt: ""
          loras:
            - source_model: someone/lora
      """
    let recipe = try Recipe(parsing: text, file: "c.yaml")
    let sources = recipe.remoteSources
    #expect(
      sources.compactMap { $0.remote.map { "\($0)" } } == [
        "segmind/small-sd", "https://civitai.com/api/download/models/239306?type=Model", "someone/lora",
      ])
    #expect(sources.map(\.use) == [.ingredient, .ingredient, .adapter])
  }

  @Test func aMissingRecipeIsNamed() {
    #expect(throws: RecipeError.yaml(.unreadable(file: "/none/c.yaml", code: ENOENT))) {
      try Recipe(reading: "/none/c.yaml")
    }
  }
}
