import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Images
import Merging
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// SDXL merges against what the genuine segmoe made of the same recipe (`Goldens/scripts/merge_xl.py`).
@Suite struct MergeXLTests {
  private static let weights = "/unet/diffusion_pytorch_model.safetensors"

  /// The golden SDXL model, and beside it the same with the rows of its transformers' matrices rolled.
  private final class Kitchen {
    private let place: TemporaryFolder
    var folder: String { place.path }

    init() throws {
      place = try TemporaryFolder()
      for name in ["xl", "xl-rolled"] {
        try GoldenParts.assemble("xl", at: place.file(name), as: .copies)
      }
      try roll(folder + "/xl" + weights, to: folder + "/xl-rolled" + weights)
    }

    private func roll(_ source: String, to target: String) throws {
      let file = try SafetensorsFile(path: source)
      let tensors = try file.names.sorted().map { try #require(file[$0]) }
      try FileManager.default.removeItem(atPath: target)
      let writer = try SafetensorsWriter(
        path: target, tensors: tensors.map { .init(name: $0.name, type: $0.type, shape: $0.shape) })
      for stored in tensors {
        guard stored.name.contains(".transformer_blocks."), stored.shape.count == 2 else {
          try writer.append(stored, name: stored.name)
          continue
        }
        let (values, width) = (try stored.read().values, stored.shape[1])
        let rolled = Array(values[(values.count - width)...] + values[..<(values.count - width)])
        try writer.append(Tensor(shape: stored.shape, values: rolled), name: stored.name)
      }
      try writer.finish()
    }

    func merge(_ recipe: String, gates: GateSettings = GateSettings(), to name: String = "out") throws {
      let path = folder + "/recipe.yaml"
      try Data(recipe.utf8).write(to: URL(fileURLWithPath: path))
      try Merger(Recipe(reading: path), gates: gates, compute: Compute(threads: 2)).merge(
        into: "\(folder)/\(name)")
    }
  }

  @Test func sameAsTheReference() throws {
    let kitchen = try Kitchen()
    let golden = Places.golden("merges/xl-2x2")
    try kitchen.merge(String(contentsOfFile: golden + "/recipe.yaml", encoding: .utf8))
    let ours = try SafetensorsFile(path: kitchen.folder + "/out" + Self.weights)
    let names = try JSONDecoder().decode(
      [String].self, from: Data(contentsOf: URL(fileURLWithPath: golden + "/names.json")))
    #expect(ours.names.sorted() == names.sorted())
    let theirs = try SafetensorsFile(path: golden + "/gates.safetensors")
    var worst = 1.0
    for name in theirs.names {
      let (a, b) = (try #require(ours[name]).read(), try #require(theirs[name]).read())
      #expect(a.shape == b.shape)
      for row in 0..<a.shape[0] { worst = min(worst, cosine(a.image(row).values, b.image(row).values)) }
    }
    #expect(worst >= 0.9999, "cosine \(worst)")
    print("gates of xl-2x2: worst cosine \(worst)")
    try expectExperts(in: ours, kitchen.folder)
    try expectPicture(of: kitchen.folder + "/out", golden)
    let found = try ConfigObject(contentsOf: kitchen.folder + "/out/unet/config.json")
    let wanted = try ConfigObject(contentsOf: golden + "/unet/config.json")
    #expect(found["segmoe_config"] == wanted["segmoe_config"])
    for component in ["text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae"] {
      for file in try FileManager.default.contentsOfDirectory(atPath: "\(kitchen.folder)/xl/\(component)") {
        let bytes = ["xl", "out"].map {
          FileManager.default.contents(atPath: "\(kitchen.folder)/\($0)/\(component)/\(file)")
        }
        #expect(bytes[0] != nil && bytes[0] == bytes[1], "\(component)/\(file)")
      }
    }
  }

  /// The merged model draws what genuine segmoe's drew; even weights would be 3.6 levels away.
  private func expectPicture(of model: String, _ golden: String) throws {
    let rendered = try Renderer(
      model: DiffusionModel(folder: ModelPath(model).open(), cache: PartCache()),
      pass: ForwardPass(compute: Compute(threads: 2))
    ).render(
      PictureRequest(
        prompt: "a red fox in the snow", negativePrompt: "blurry, low quality", width: 128, height: 72,
        steps: 5, guidance: 5, seed: 9))
    let wanted = try PNGFile.read(golden + "/xl-2x2-128x72.png").image
    #expect(rendered.width == wanted.width && rendered.height == wanted.height)
    let levels = zip(rendered.pixels, wanted.pixels).map { abs(Int($0) - Int($1)) }
    let mean = Double(levels.reduce(0, +)) / Double(max(1, levels.count))
    #expect(mean <= 0.05 && (levels.max() ?? 255) <= 2, "mean \(mean), maximum \(levels.max() ?? 255)")
    print("picture of xl-2x2: mean \(mean) max \(levels.max() ?? 255) levels")
  }

  /// Every tensor but the gates is the base's, or the expert's that its name says.
  private func expectExperts(in merged: SafetensorsFile, _ folder: String) throws {
    let sources = try ["xl", "xl-rolled"].map { try SafetensorsFile(path: "\(folder)/\($0)\(Self.weights)") }
    for name in merged.names where !name.hasSuffix(".gate.weight") {
      var (plain, source) = (name, 0)
      if let place = name.range(of: ".experts.") {
        let tail = name[place.upperBound...]
        source = try #require(Int(tail.prefix { $0 != "." }))
        plain = String(name[..<place.lowerBound] + tail.drop { $0 != "." })
      }
      let (a, b) = (try #require(merged[name]).read(), try #require(sources[source][plain]).read())
      #expect(a.values == b.values, "\(name)")
    }
  }

  /// Random gates need no render: seeded, bounded, and the blocks of SDXL.
  @Test func randomGates() throws {
    let kitchen = try Kitchen()
    try kitchen.merge(
      """
      base_model: xl
      init: random
      experts:
        - {source_model: xl, positive_prompt: a, negative_prompt: b}
        - {source_model: xl-rolled, positive_prompt: a, negative_prompt: b}
      """)
    let gates = try SafetensorsFile(path: kitchen.folder + "/out" + Self.weights).names.filter {
      $0.hasSuffix(".gate.weight")
    }
    #expect(!gates.isEmpty && !gates.contains { $0.hasPrefix("mid_block") || $0.contains(".ff.") })
    let config = try ConfigObject(contentsOf: kitchen.folder + "/out/unet/config.json")
    let mixture = try #require(try config.objectIfPresent("segmoe_config"))
    #expect(
      try ["down_idx_start", "down_idx_end", "up_idx_start", "up_idx_end"].map { try mixture.int($0) } == [
        1, 3, 0, 2,
      ])
  }
}
