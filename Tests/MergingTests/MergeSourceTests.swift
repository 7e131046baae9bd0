import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Merging
import Requests
import Tensors
import TestSupport
import Testing

/// What may go into a merge: single files, variants, shards, mixed element types, LoRAs. SDXL throughout.
@Suite struct MergeSourceTests {
  private static let weights = "/unet/diffusion_pytorch_model.safetensors"

  /// The golden SDXL model as folders that a test may change.
  private final class Kitchen {
    private let place: TemporaryFolder
    var folder: String { place.path }

    init() throws { place = try TemporaryFolder() }

    /// A copy of the model under that name.
    @discardableResult func model(_ name: String) throws -> String {
      try GoldenParts.assemble("xl", at: place.file(name), as: .copies)
      return place.file(name)
    }

    /// The UNet of a model again, in another element type.
    func store(_ type: StoredType, _ name: String, file: String = weights) throws {
      let path = "\(folder)/\(name)\(weights)"
      let source = try SafetensorsFile(path: path)
      let tensors = try source.names.sorted().map { try #require(source[$0]) }
      try FileManager.default.removeItem(atPath: path)
      let writer = try SafetensorsWriter(
        path: "\(folder)/\(name)\(file)",
        tensors: tensors.map { .init(name: $0.name, type: type, shape: $0.shape) })
      for tensor in tensors { try writer.append(tensor, name: tensor.name) }
      try writer.finish()
    }

    /// Merges and opens the result.
    func merge(_ recipe: String, gates: GateSettings = GateSettings(steps: 1), to name: String = "out") throws
      -> SafetensorsFile
    {
      let path = try place.write("recipe.yaml", recipe)
      try Merger(Recipe(reading: path), gates: gates, compute: Compute(threads: 2))
        .merge(into: "\(folder)/\(name)")
      return try SafetensorsFile(path: "\(folder)/\(name)\(weights)")
    }
  }

  /// Single files as base and experts give, gates and all, what their folders give.
  @Test func singleFiles() throws {
    let kitchen = try Kitchen()
    try kitchen.model("xl")
    let single = try SingleFile("xl")
    func recipe(_ base: String, _ expert: String) -> String {
      """
      base_model: \(base)
      moe_layers: all
      num_experts_per_tok: 2
      experts:
        - {source_model: \(expert), positive_prompt: a quiet lake, negative_prompt: blurry}
        - {source_model: \(base), positive_prompt: an old sailor, negative_prompt: text}
      """
    }
    let settings = GateSettings(steps: 3)
    let folders = try kitchen.merge(recipe("xl", "xl"), gates: settings, to: "folders")
    let merged = [
      try kitchen.merge(recipe(single.path, single.path), gates: settings, to: "files"),
      try kitchen.merge(recipe("xl", single.path), gates: settings, to: "mixed"),
    ]
    for file in merged {
      #expect(file.names.sorted() == folders.names.sorted())
      for name in folders.names {
        let (a, b) = (try #require(file[name]), try #require(folders[name]))
        #expect(a.type == b.type && a.shape == b.shape, "\(name)")
        #expect(try a.read().values == b.read().values, "\(name)")
      }
    }
    // A file's components are written out as a folder, which renders the same picture.
    let pictures = try ["folders", "files"].map { name in
      let model = try DiffusionModel(
        folder: ModelFolder(path: "\(kitchen.folder)/\(name)"), cache: .init(budget: .max))
      return try Renderer(model: model, pass: .init(compute: Compute(threads: 2))).render(
        PictureRequest(prompt: "a fox", width: 64, height: 72, steps: 2, seed: 3)
      ).pixels
    }
    #expect(pictures[0] == pictures[1])
  }

  /// Every tensor keeps the type and the bits of its own source.
  @Test func mixedElementTypes() throws {
    let kitchen = try Kitchen()
    let types: [StoredType] = [.float32, .float16, .bfloat16]
    for (name, type) in zip(["one", "two", "three"], types) {
      try kitchen.model(name)
      try kitchen.store(type, name)
    }
    let merged = try kitchen.merge(
      """
      base_model: one
      moe_layers: all
      experts:
        - {source_model: one, positive_prompt: a, negative_prompt: b}
        - {source_model: two, positive_prompt: c, negative_prompt: d}
        - {source_model: three, positive_prompt: e, negative_prompt: f}
      """)
    let sources = try ["one", "two", "three"].map {
      try SafetensorsFile(path: "\(kitchen.folder)/\($0)\(Self.weights)")
    }
    var seen: [StoredType: Int] = [:]
    for name in merged.names {
      let found = try #require(merged[name])
      if name.hasSuffix(".gate.weight") {
        #expect(found.type == .float32)
        continue
      }
      var (plain, index) = (name, 0)
      if let place = name.range(of: ".experts.") {
        let tail = name[place.upperBound...]
        index = try #require(Int(tail.prefix { $0 != "." }))
        plain = String(name[..<place.lowerBound] + tail.drop { $0 != "." })
        seen[found.type, default: 0] += 1
      }
      let source = try #require(sources[index][plain])
      #expect(found.type == types[index] && source.type == types[index], "\(name)")
      #expect(try found.read().values == source.read().values, "\(name)")
    }
    #expect(Set(seen.keys) == Set(types) && Set(seen.values).count == 1, "\(seen)")
    _ = try DiffusionModel(folder: ModelFolder(path: kitchen.folder + "/out"), cache: .init(budget: 0))
  }

  /// Variants and shards of the base come out as the one file that the reference looks for.
  @Test func variantsAndShards() throws {
    let kitchen = try Kitchen()
    let model = try kitchen.model("xl")
    let files = FileManager.default
    try kitchen.store(.bfloat16, "xl", file: "/unet/diffusion_pytorch_model.bf16.safetensors")
    try files.moveItem(
      atPath: model + "/vae/diffusion_pytorch_model.safetensors",
      toPath: model + "/vae/diffusion_pytorch_model.bf16.safetensors")
    try files.moveItem(
      atPath: model + "/text_encoder/model.safetensors",
      toPath: model + "/text_encoder/model.fp16.safetensors")
    let whole = try SafetensorsFile(path: model + "/text_encoder_2/model.safetensors")
    let names = whole.names.sorted()
    var map: [String] = []
    for (index, part) in [names[..<9], names[9...]].enumerated() {
      let shard = "model.fp16-0000\(index + 1)-of-00002.safetensors"
      let tensors = try part.map { try #require(whole[$0]) }
      let writer = try SafetensorsWriter(
        path: "\(model)/text_encoder_2/\(shard)",
        tensors: tensors.map { .init(name: $0.name, type: $0.type, shape: $0.shape) })
      for tensor in tensors { try writer.append(tensor, name: tensor.name) }
      try writer.finish()
      map += part.map { "\"\($0)\": \"\(shard)\"" }
    }
    try Data("{\"weight_map\": {\(map.joined(separator: ", "))}}".utf8).write(
      to: URL(fileURLWithPath: model + "/text_encoder_2/model.safetensors.index.fp16.json"))
    try files.removeItem(atPath: model + "/text_encoder_2/model.safetensors")
    let merged = try kitchen.merge(
      """
      base_model: xl
      init: random
      experts: [{source_model: xl, positive_prompt: a, negative_prompt: b}]
      """)
    #expect(merged.names.allSatisfy { $0.hasSuffix(".gate.weight") || merged[$0]?.type == .bfloat16 })
    let out = kitchen.folder + "/out"
    for (component, file) in [
      ("vae", "diffusion_pytorch_model"), ("text_encoder", "model"), ("text_encoder_2", "model"),
    ] {
      let found = try files.contentsOfDirectory(atPath: "\(out)/\(component)").sorted()
      #expect(found == ["config.json", file + ".safetensors"], "\(component)")
    }
    let written = try SafetensorsFile(path: out + "/text_encoder_2/model.safetensors")
    #expect(written.names.sorted() == names)
    for name in names {
      let (a, b) = (try #require(written[name]), try #require(whole[name]))
      #expect(try a.type == b.type && a.read().values == b.read().values, "\(name)")
    }
  }

  /// Top-level LoRAs change the base, its text encoders too; an expert's change the expert; several add up.
  /// Each fused weight is what genuine diffusers makes of it (`Goldens/scripts/lora_files.py`).
  @Test func lorasOfBaseAndExperts() throws {
    let kitchen = try Kitchen()
    try kitchen.model("xl")
    for name in ["kohya", "compvis"] {
      try FileManager.default.copyItem(
        atPath: Places.golden("loras/\(name).safetensors"), toPath: "\(kitchen.folder)/\(name).safetensors")
    }
    let merged = try kitchen.merge(
      """
      base_model: xl
      moe_layers: all
      loras: [{source_model: compvis.safetensors, weight: 0.7}]
      experts:
        - {source_model: xl, positive_prompt: a, negative_prompt: b}
        - source_model: xl
          positive_prompt: c
          negative_prompt: d
          loras: [{source_model: kohya.safetensors, weight: 0.7}]
        - source_model: xl
          positive_prompt: e
          negative_prompt: f
          loras:
            - {source_model: kohya.safetensors, weight: 0.3}
            - {source_model: kohya.safetensors, weight: 0.4}
      """)
    let golden = try SafetensorsFile(path: Places.golden("loras/fused.safetensors"))
    let plain = try SafetensorsFile(path: Places.golden("families/xl") + Self.weights)
    var counts = (base: 0, experts: 0, plain: 0)
    for name in merged.names where !name.hasSuffix(".gate.weight") {
      var (layer, lora) = (name, "compvis")
      if let place = name.range(of: ".experts.") {
        let tail = name[place.upperBound...]
        lora = tail.first == "0" ? "" : "kohya"
        layer = String(name[..<place.lowerBound] + tail.drop { $0 != "." })
      }
      let found = try #require(merged[name])
      if let wanted = golden["\(lora)/unet/\(layer)"] {
        try expectClose(found, wanted)
        #expect(found.type == .float32, "\(name)")
        if name.contains(".experts.") { counts.experts += 1 } else { counts.base += 1 }
      } else {
        let wanted = try #require(plain[layer])
        #expect(try found.read().values == wanted.read().values, "\(name)")
        counts.plain += 1
      }
    }
    // Of compvis' 11 layers of the UNet two became experts, who do not have it; of kohya's five two did, in two.
    #expect(counts.base == 9 && counts.experts == 4 && counts.plain > 300, "\(counts)")
    for (encoder, layer) in [
      ("text_encoder", "encoder.layers.1.self_attn.out_proj.weight"),
      ("text_encoder_2", "text_model.encoder.layers.0.self_attn.k_proj.weight"),
    ] {
      let written = try SafetensorsFile(path: "\(kitchen.folder)/out/\(encoder)/model.safetensors")
      let known = layer.hasPrefix("text_model.") ? layer : "text_model." + layer
      try expectClose(
        try #require(written[known] ?? written[layer]), try #require(golden["compvis/\(encoder)/\(layer)"]))
    }
  }

  /// A base of 16-bit floats and LoRAs alone: copies of the base with one each.
  @Test func lorasInPlaceOfExperts() throws {
    let kitchen = try Kitchen()
    try kitchen.model("xl")
    for name in ["kohya", "compvis"] {
      try FileManager.default.copyItem(
        atPath: Places.golden("loras/\(name).safetensors"), toPath: "\(kitchen.folder)/\(name).safetensors")
    }
    let merged = try kitchen.merge(
      """
      base_model: xl
      moe_layers: all
      loras:
        - {source_model: kohya.safetensors, weight: 0.7, positive_prompt: a, negative_prompt: b}
        - {source_model: compvis.safetensors, weight: 0.7, positive_prompt: c, negative_prompt: d}
      """)
    let golden = try SafetensorsFile(path: Places.golden("loras/fused.safetensors"))
    let layer = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"
    try expectClose(
      try #require(merged[layer + ".to_q.experts.0.weight"]),
      try #require(golden["kohya/unet/\(layer).to_q.weight"]))
    try expectClose(
      try #require(merged[layer + ".to_k.experts.1.weight"]),
      try #require(golden["compvis/unet/\(layer).to_k.weight"]))
    let base = try SafetensorsFile(path: Places.golden("families/xl") + Self.weights)
    #expect(try merged["conv_in.weight"]?.read().values == base["conv_in.weight"]?.read().values)
  }

  private func expectClose(_ found: StoredTensor, _ wanted: StoredTensor) throws {
    let (a, b) = (try found.read(), try wanted.read())
    #expect(a.shape == b.shape, "\(found.name)")
    let error = zip(a.values, b.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(error <= 1e-5, "\(found.name): off by \(error)")
  }
}
