import Boundary
import Checkpoints
import Foundation
import TestSupport
import Testing

/// The checkpoints that Stability published, as far as names and shapes go: files of their full size whose
/// data are holes. What they must become is what diffusers' converters and configurations say.
@Suite struct RealCheckpointTests {
  private struct Golden {
    let digest: String
    let tensors: [(name: String, shape: [Int])]

    init(_ kind: String) throws {
      let data = try Data(contentsOf: URL(fileURLWithPath: Places.golden("single/real-\(kind).json")))
      let rows = try #require(try JSONSerialization.jsonObject(with: data) as? [[Any]])
      digest = try #require(rows[0][1] as? String)
      tensors = try rows.dropFirst().map { row in
        (try #require(row[0] as? String), try row.dropFirst().map { try #require($0 as? Int) })
      }
    }
  }

  /// A file in half precision, sparse. `shapes` replaces or adds tensors.
  private func file(
    _ folder: TemporaryFolder, _ kind: String, shapes: [String: [Int]] = [:],
    without prefix: String? = nil, only: String? = nil, step: Int64? = nil
  ) throws -> String {
    var tensors = Dictionary(uniqueKeysWithValues: try Golden(kind).tensors.map { ($0.name, $0.shape) })
    tensors.merge(shapes) { $1 }
    if let prefix { tensors = tensors.filter { !$0.key.hasPrefix(prefix) } }
    if let only {
      let inside = tensors.filter { $0.key.hasPrefix(only) }
      tensors = Dictionary(
        uniqueKeysWithValues: inside.map { (String($0.key.dropFirst(only.count)), $0.value) })
    }
    var members: [String] = []
    var data: [UInt8] = []
    if let step {
      members.append(#""global_step":{"dtype":"I64","shape":[],"data_offsets":[0,8]}"#)
      data = withUnsafeBytes(of: step.littleEndian, Array.init)
    }
    var end = data.count
    for (name, shape) in tensors.sorted(by: { $0.key < $1.key }) {
      let begin = end
      end += 2 * shape.reduce(1, *)
      members.append(#""\#(name)":{"dtype":"F16","shape":\#(shape),"data_offsets":[\#(begin),\#(end)]}"#)
    }
    let head = safetensors(header: "{" + members.joined(separator: ",") + "}", data: data)
    let path = try folder.write("\(kind).safetensors", head)
    try #require(truncate(path, off_t(head.count - data.count + end)) == 0)
    return path
  }

  private func vaeAlone(_ folder: TemporaryFolder, _ kind: String) throws -> String {
    try file(folder, kind, only: "first_stage_model.")
  }

  private func json(_ text: String) throws -> [String: JSONValue] {
    guard case .object(let values) = try JSONValue(parsing: Array(text.utf8), path: "test") else {
      return [:]
    }
    return values
  }

  private func expect(_ config: ConfigObject, _ text: String) throws {
    for (key, value) in try json(text) { #expect(config.values[key] == value, "\(config.path): \(key)") }
  }

  @Test(arguments: ["sd1", "sd2", "sdxl"]) func namesAndShapesAreThoseOfDiffusers(_ kind: String) throws {
    let folder = try TemporaryFolder()
    let model = try CheckpointFile(path: file(folder, kind))
    #expect(model.kind.family.rawValue == kind && !model.kind.isInpainting)
    var lines: [String] = []
    for component in ["unet", "vae", "text_encoder", "text_encoder_2"] where model.has(component) {
      for (name, stored) in try model.weights(for: component).tensors {
        lines.append("\(component) \(name) \(stored.shape)\n")
      }
    }
    var digest = Digest()
    // Python sorts by scalar, as UTF-8 does.
    digest.add(Array(lines.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.joined().utf8))
    #expect(try digest.hexadecimal() == Golden(kind).digest)
    print("real \(kind): \(lines.count) tensors named as diffusers names them")
  }

  @Test func configurationsOfSD1() throws {
    let folder = try TemporaryFolder()
    let model = try CheckpointFile(path: file(folder, "sd1"))
    #expect(model.pipelineClass == "StableDiffusionPipeline")
    try expect(
      model.config(for: "unet"),
      """
      {"block_out_channels": [320, 640, 1280, 1280], "attention_head_dim": 8, "cross_attention_dim": 768,
       "layers_per_block": 2, "in_channels": 4, "out_channels": 4, "sample_size": 64,
       "use_linear_projection": false, "transformer_layers_per_block": 1,
       "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
       "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]}
      """)
    try expect(
      model.config(for: "vae"),
      """
      {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4,
       "scaling_factor": 0.18215}
      """)
    try expect(
      model.config(for: "text_encoder"),
      """
      {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12,
       "hidden_act": "quick_gelu", "vocab_size": 49408, "max_position_embeddings": 77}
      """)
    try expect(
      model.config(for: "scheduler"),
      #"{"_class_name": "PNDMScheduler", "beta_end": 0.012, "beta_start": 0.00085, "steps_offset": 1}"#)
  }

  @Test func configurationsOfSD2() throws {
    let folder = try TemporaryFolder()
    let model = try CheckpointFile(path: file(folder, "sd2"))
    try expect(
      model.config(for: "unet"),
      #"{"attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "use_linear_projection": true, "sample_size": 96}"#
    )
    try expect(
      model.config(for: "text_encoder"),
      #"{"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 23, "hidden_act": "gelu"}"#)
    try expect(
      model.config(for: "scheduler"),
      #"{"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}"#)
    let inpainting = try CheckpointFile(
      path: file(folder, "sd2", shapes: ["model.diffusion_model.input_blocks.0.0.weight": [320, 9, 3, 3]]))
    #expect(inpainting.kind.isInpainting && inpainting.pipelineClass == "StableDiffusionInpaintPipeline")
    let scheduler = try inpainting.config(for: "scheduler")
    #expect(try scheduler.string("prediction_type", default: "epsilon") == "epsilon")
    #expect(try inpainting.config(for: "unet").int("in_channels") == 9)
  }

  /// Kind, prediction and the scale of latents, as genuine diffusers tells them from the same names and shapes
  /// (`Goldens/scripts/single_kinds.py`).
  @Test func kindsAreToldAsDiffusersTellsThem() throws {
    struct Case: Decodable {
      let name: String
      let kind: String
      let model: String
      let prediction: String
      let scalingFactor: Double?
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let cases = try decoder.decode(
      [Case].self, from: Data(contentsOf: URL(fileURLWithPath: Places.golden("single/kinds.json"))))
    let models: [String: (CheckpointKind.Family, Bool)] = [
      "stable-diffusion-v1-5/stable-diffusion-v1-5": (.sd1, false),
      "stable-diffusion-v1-5/stable-diffusion-inpainting": (.sd1, true),
      "stabilityai/stable-diffusion-2-1": (.sd2, false),
      "stabilityai/stable-diffusion-2-inpainting": (.sd2, true),
      "stabilityai/stable-diffusion-xl-base-1.0": (.sdxl, false),
      "diffusers/stable-diffusion-xl-1.0-inpainting-0.1": (.sdxl, true),
    ]
    #expect(cases.count == 12)
    for one in cases {
      let folder = try TemporaryFolder()
      let parts = one.name.split(separator: "-")
      if let scale = one.scalingFactor {
        // diffusers takes a VAE alone for one of SD1.5, whatever it is from; here the model's kind counts.
        let path = try vaeAlone(folder, one.kind)
        let sd = try AutoencoderFiles(path: path, own: nil, isXL: false).config
        let xl = try AutoencoderFiles(path: path, own: nil, isXL: true).config
        #expect(try sd.double("scaling_factor") == scale && xl.double("scaling_factor") == 0.13025)
        continue
      }
      let first = "model.diffusion_model.input_blocks.0.0.weight"
      let step = parts.count == 3 ? Int64(parts[2]) : nil
      let model = try CheckpointFile(
        path: file(
          folder, one.kind, shapes: parts.last == "inpainting" ? [first: [320, 9, 3, 3]] : [:], step: step))
      let wanted = try #require(models[one.model])
      #expect(model.kind.family == wanted.0 && model.kind.isInpainting == wanted.1, "\(one.name)")
      let scheduler = try model.config(for: "scheduler")
      #expect(try scheduler.string("prediction_type", default: "epsilon") == one.prediction, "\(one.name)")
    }
  }

  @Test func configurationsOfSDXL() throws {
    let folder = try TemporaryFolder()
    let model = try CheckpointFile(path: file(folder, "sdxl"))
    #expect(model.pipelineClass == "StableDiffusionXLPipeline")
    try expect(
      model.config(for: "unet"),
      """
      {"block_out_channels": [320, 640, 1280], "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048,
       "transformer_layers_per_block": [1, 2, 10], "addition_embed_type": "text_time",
       "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
       "use_linear_projection": true, "sample_size": 128,
       "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
       "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]}
      """)
    try expect(model.config(for: "vae"), #"{"scaling_factor": 0.13025, "force_upcast": true}"#)
    try expect(
      model.config(for: "text_encoder_2"),
      """
      {"architectures": ["CLIPTextModelWithProjection"], "hidden_size": 1280, "intermediate_size": 5120,
       "num_attention_heads": 20, "num_hidden_layers": 32, "hidden_act": "gelu", "projection_dim": 1280}
      """)
    try expect(
      model.config(for: "scheduler"),
      #"{"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", "prediction_type": "epsilon"}"#
    )
  }

  /// What is no checkpoint of these kinds is refused with what it is.
  @Test(arguments: [
    ("conditioner.embedders.0.model.ln_final.weight", "refiner"), ("edm_mean", "Playground"),
    ("control_model.time_embed.0.weight", "ControlNet"),
  ]) func foreignKindsAreNamed(_ key: String, _ word: String) throws {
    let folder = try TemporaryFolder()
    let path = try file(folder, "sd1", shapes: [key: [1]])
    do {
      _ = try CheckpointFile(path: path)
      Issue.record("taken")
    } catch let error as CheckpointError { #expect(error.description.contains(word), "\(error)") }
  }

  @Test func aUNetAloneAndALoRAAreNamed() throws {
    let folder = try TemporaryFolder()
    let unet = try file(folder, "sd1", without: "cond_stage_model.")
    let lora = try folder.write(
      "lora.safetensors", tensors: ["lora_unet_conv_in.lora_down.weight": TestTensor([1, 1], [1])])
    let vae = try folder.write(
      "vae.safetensors", tensors: ["decoder.conv_in.weight": TestTensor([1, 1, 1, 1], [1])])
    for (path, word) in [(unet, "no text encoder"), (lora, "--lora"), (vae, "--vae")] {
      do {
        _ = try CheckpointFile(path: path)
        Issue.record("taken: \(path)")
      } catch let error as CheckpointError { #expect(error.description.contains(word), "\(error)") }
    }
  }

  @Test(arguments: ["model.ckpt", "model.PT", "model.bin", "model.pth"])
  func picklesAreRefusedByTheirEnding(_ name: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, "anything")
    #expect(throws: CheckpointError.pickled(path: path)) { try ModelPath(path).open() }
    #expect(throws: CheckpointError.pickled(path: path)) {
      try AutoencoderFiles(path: path, own: nil, isXL: false)
    }
    #expect(throws: CheckpointError.pickled(path: path)) { try LoRAFile(path: path) }
    #expect(CheckpointError.pickled(path: path).description.contains("convert"))
  }

  /// A pickle that goes under a harmless name is told by its first bytes.
  @Test func picklesAreToldByTheirFirstBytes() throws {
    let folder = try TemporaryFolder()
    let archive = Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 0, count: 26) + Array("model/data.pkl".utf8)
    for head in [archive, [0x80, 0x02, 0x8a, 0x0a]] as [[UInt8]] {
      let path = try folder.write("model.safetensors", head + [UInt8](repeating: 7, count: 60))
      #expect(throws: CheckpointError.pickled(path: path)) { try ModelPath(path).open() }
    }
    // A header of 640 bytes begins with the same two.
    let text = "{" + String(repeating: " ", count: 638) + "}"
    let path = try folder.write("empty.safetensors", safetensors(header: text, data: []))
    #expect(throws: Never.self) { try PickledFile.refuse(path) }
  }
}
