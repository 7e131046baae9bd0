import Checkpoints
import Foundation
import GoldenModels
import Merging
import Tensors
import TestSupport
import Testing

/// Whole merges against what the genuine segmoe made of the same recipes.
@Suite struct MergeTests {
  /// The golden models side by side under the names that the golden recipes use.
  private final class Kitchen {
    private let place: TemporaryFolder
    var folder: String { place.path }

    init() throws {
      place = try TemporaryFolder()
      for name in ["base", "expert-a", "expert-b"] {
        try GoldenParts.assemble(name, at: place.file(name), as: .copies)
      }
    }

    func golden(_ path: String) -> String { Places.golden("merges/\(path)") }

    /// A recipe in the folder.
    func recipe(_ text: String) throws -> Recipe {
      try Recipe(reading: place.write("recipe.yaml", text))
    }

    func goldenRecipe(_ name: String) throws -> Recipe {
      try recipe(String(contentsOfFile: golden(name + "/recipe.yaml"), encoding: .utf8))
    }

    func merge(_ recipe: Recipe, gates: GateSettings = GateSettings(), to name: String = "out") throws {
      try Merger(recipe, gates: gates, compute: Compute(threads: 2)).merge(into: folder + "/" + name)
    }

    var leftovers: [String] {
      place.names.filter { $0.contains("partial") || $0 == "out" }
    }
  }

  @Test(arguments: ["all-3x2", "ff-2x1", "attn-3x1"])
  func sameAsTheReference(_ name: String) throws {
    let kitchen = try Kitchen()
    try kitchen.merge(kitchen.goldenRecipe(name))
    let weights = "/unet/diffusion_pytorch_model.safetensors"
    let ours = try SafetensorsFile(path: kitchen.folder + "/out" + weights)
    let theirs = try SafetensorsFile(path: kitchen.golden(name) + weights)
    #expect(ours.names.sorted() == theirs.names.sorted())
    var worst = 1.0
    for tensor in theirs.names {
      let a = try #require(ours[tensor]).read()
      let b = try #require(theirs[tensor]).read()
      #expect(a.shape == b.shape)
      if tensor.hasSuffix(".gate.weight") {
        for row in 0..<a.shape[0] { worst = min(worst, cosine(a.image(row).values, b.image(row).values)) }
      } else {
        #expect(a.values == b.values, "\(tensor)")
      }
    }
    #expect(worst >= 0.9999, "cosine \(worst)")
    print("gates of \(name): worst cosine \(worst)")
    for file in ["/scheduler/scheduler_config.json", "/model_index.json", "/unet/config.json"] {
      try compareJSON(kitchen.folder + "/out" + file, kitchen.golden(name) + file)
    }
  }

  @Test func anotherSeedGivesOtherGates() throws {
    let kitchen = try Kitchen()
    try kitchen.merge(kitchen.goldenRecipe("ff-2x1"), gates: GateSettings(seed: 1, steps: 3), to: "out")
    let ours = try SafetensorsFile(path: kitchen.folder + "/out/unet/diffusion_pytorch_model.safetensors")
    let theirs = try SafetensorsFile(path: kitchen.golden("ff-2x1/gates.safetensors"))
    let worst = try theirs.names.map { name in
      cosine(try #require(ours[name]).read().values, try #require(theirs[name]).read().values)
    }.min()
    #expect(try #require(worst) < 0.9999)
  }

  @Test func randomGatesAreSeededAndBounded() throws {
    let kitchen = try Kitchen()
    let recipe = try kitchen.recipe(
      """
      base_model: base
      type: sd
      moe_layers: ff
      init: random
      experts:
        - {source_model: expert-a, positive_prompt: a, negative_prompt: b}
        - {source_model: expert-b, positive_prompt: a, negative_prompt: b}
      """)
    for name in ["one", "two"] { try kitchen.merge(recipe, to: name) }
    let files = try ["one", "two"].map {
      try SafetensorsFile(path: "\(kitchen.folder)/\($0)/unet/diffusion_pytorch_model.safetensors")
    }
    let gate = "down_blocks.0.attentions.0.transformer_blocks.0.ff.gate.weight"
    let values = try files.map { try #require($0[gate]).read().values }
    #expect(values[0] == values[1] && Set(values[0]).count > 10)
    #expect(values[0].allSatisfy { abs($0) <= 0.25 })
  }

  @Test func anExistingFolderIsNotTouched() throws {
    let kitchen = try Kitchen()
    try FileManager.default.createDirectory(
      atPath: kitchen.folder + "/out", withIntermediateDirectories: true)
    let recipe = try kitchen.goldenRecipe("ff-2x1")
    #expect(throws: MergeError.outputExists(path: kitchen.folder + "/out")) { try kitchen.merge(recipe) }
  }

  @Test func anInterruptedMergeLeavesNothing() throws {
    struct Enough: Error {}
    let kitchen = try Kitchen()
    let recipe = try kitchen.goldenRecipe("ff-2x1")
    #expect(throws: (any Error).self) {
      try Merger(recipe, gates: GateSettings(steps: 2), compute: Compute(threads: 2)).merge(
        into: kitchen.folder + "/out"
      ) { progress in
        if case .writing(let done, _) = progress, done > 10 { throw Enough() }
      }
    }
    #expect(kitchen.leftovers.isEmpty)
  }

  @Test func aFailedExpertIsNamed() throws {
    let kitchen = try Kitchen()
    let config = kitchen.folder + "/expert-b/unet/config.json"
    let text = try String(contentsOfFile: config, encoding: .utf8)
    try text.replacingOccurrences(of: "\"act_fn\": \"silu\"", with: "\"act_fn\": \"mish\"")
      .write(toFile: config, atomically: true, encoding: .utf8)
    let recipe = try kitchen.goldenRecipe("all-3x2")
    do {
      try kitchen.merge(recipe)
      Issue.record("merged a model it cannot run")
    } catch let error as MergeError {
      #expect(error.description.contains("expert 2") && error.description.contains("mish"), "\(error)")
    }
    #expect(kitchen.leftovers.isEmpty)
  }

  /// Models of another family than the recipe says are refused, with both.
  @Test func theFamilyOfTheSourcesMustBeTheRecipes() throws {
    let kitchen = try Kitchen()
    let recipe = try kitchen.recipe(
      """
      base_model: base
      type: sdxl
      experts:
        - {source_model: expert-a, positive_prompt: a, negative_prompt: b}
      """)
    do {
      try kitchen.merge(recipe)
      Issue.record("merged Stable Diffusion 1 as SDXL")
    } catch let error as MergeError {
      #expect(error.description.contains("type sd, the merge is of type sdxl"), "\(error)")
    }
    #expect(kitchen.leftovers.isEmpty)
  }

  /// A recipe without a type takes the base's, and says so in what it makes, as Python wants to read it.
  @Test func theTypeIsTheBases() throws {
    let kitchen = try Kitchen()
    let recipe = try kitchen.recipe(
      """
      base_model: base
      init: random
      experts:
        - {source_model: expert-a, positive_prompt: a, negative_prompt: b}
      """)
    try kitchen.merge(recipe)
    let config = try ConfigObject(contentsOf: kitchen.folder + "/out/unet/config.json").values
    guard case .object(let mixture) = config["segmoe_config"] else {
      Issue.record("no segmoe_config")
      return
    }
    #expect(mixture["type"] == .string("sd"))
    // An SD UNet has four levels; SDXL's numbers would leave its first level out.
    #expect(mixture["down_idx_start"] == .integer(0))
  }

  /// What a killed merge left goes with the next one; what a living one is at does not.
  @Test func abandonedFoldersAreRemoved() throws {
    let kitchen = try Kitchen()
    let (dead, living) = (kitchen.folder + "/out.partial-2000000000", kitchen.folder + "/out.partial-1")
    for folder in [dead, living] {
      try FileManager.default.createDirectory(atPath: folder + "/unet", withIntermediateDirectories: true)
    }
    try kitchen.merge(kitchen.goldenRecipe("ff-2x1"), gates: GateSettings(steps: 1))
    #expect(!FileManager.default.fileExists(atPath: dead) && FileManager.default.fileExists(atPath: living))
  }

  /// What the reference wrote, we write; `_name_or_path`, a path of one machine, aside.
  private func compareJSON(_ ours: String, _ theirs: String) throws {
    let a = try ConfigObject(contentsOf: ours).values
    let b = try ConfigObject(contentsOf: theirs).values
    for (key, value) in b where !key.hasPrefix("_diffusers") && key != "_name_or_path" {
      // The reference adds defaults to the UNet's and the index's keys; those mean the same absent.
      guard let own = a[key] else { continue }
      #expect(
        own == value || Double("\(own)") == Double("\(value)") && Double("\(own)") != nil,
        "\(ours): \(key) is \(own), not \(value)")
    }
    if let mixture = b["segmoe_config"] { #expect(a["segmoe_config"] == mixture) }
  }
}
