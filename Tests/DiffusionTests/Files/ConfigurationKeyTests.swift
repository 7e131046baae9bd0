import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import TestSupport
import Testing

/// No key that genuine diffusers' classes know is silently ignored: another value than the usual one changes
/// what is built, or is refused by name, or the key is listed here with the reason why it is no matter
/// (`Goldens/scripts/config_keys.py` has every key of every class).
@Suite struct ConfigurationKeyTests {
  /// Keys that change nothing in what is computed here.
  private static let noMatter: [String: Set<String>] = [
    // Dropout is for training; softmax is in 32 bits anyway; heads of a kind of added text that is refused.
    "UNet2DConditionModel": ["dropout", "upcast_attention", "addition_embed_type_num_heads"],
    // Channels of a picture are three, or the encoder's weights do not fit; 32 bits are what it upcasts to; the
    // pipelines scale latents by one factor and never shift them; the size only says how it was trained.
    "AutoencoderKL": ["in_channels", "force_upcast", "shift_factor", "sample_size"],
    "AutoencoderTiny": ["in_channels", "force_upcast", "shift_factor", "latent_magnitude", "latent_shift"],
    // Of flow and dynamic shifting, which are refused themselves.
    "DPMSolverMultistepScheduler": ["flow_shift", "time_shift_type"],
    "UniPCMultistepScheduler": ["flow_shift", "time_shift_type"],
    "DEISMultistepScheduler": ["flow_shift", "time_shift_type"],
    "DPMSolverSinglestepScheduler": ["flow_shift", "time_shift_type"],
    "SASolverScheduler": ["flow_shift"],
  ]

  /// Files whose class this is, as a start.
  private static let files: [String: String] = [
    "UNet2DConditionModel": "families/xl/unet/config.json", "AutoencoderKL": "families/xl/vae/config.json",
    "AutoencoderTiny": "vae/tiny/config.json",
  ]

  private func keys(_ name: String) throws -> [String: JSONValue] {
    let path = Places.golden("numbers/config-keys.json")
    let all = try ConfigObject(contentsOf: path)
    return try #require(try all.objectIfPresent(name)).values
  }

  /// A configuration in which as many keys as can be count.
  private func start(_ name: String) throws -> [String: JSONValue] {
    if let file = Self.files[name] { return try ConfigObject(contentsOf: Places.golden(file)).values }
    var values: [String: JSONValue] = ["_class_name": .string(name)]
    if try keys(name)["thresholding"] != nil { values["thresholding"] = .bool(true) }
    return values
  }

  /// What the engine makes of a configuration, as text.
  private func reading(_ name: String, _ values: [String: JSONValue]) throws -> String {
    let config = ConfigObject(path: "config.json", values: values)
    var text = ""
    switch name {
    case "UNet2DConditionModel": dump(try UNetConfiguration(config), to: &text)
    case "AutoencoderKL": dump(try AutoencoderConfiguration(config), to: &text)
    case "AutoencoderTiny": dump(try AutoencoderTinyConfiguration(config), to: &text)
    default: dump(try SchedulerConfiguration(config), to: &text)
    }
    return text
  }

  /// Values that are not the given one.
  private func others(_ value: JSONValue) -> [JSONValue] {
    switch value {
    case .bool(let flag): [.bool(!flag)]
    case .integer(let number): [.integer(number + 1), .string("nonsense")]
    case .number(let number): [.number(number + 0.25)]
    case .string: [.string("nonsense")]
    case .null: [.string("nonsense"), .integer(7), .bool(true)]
    case .array(let values): [.array(values.map { _ in .string("nonsense") } + [.string("nonsense")])]
    case .object: [.null]
    }
  }

  @Test(arguments: [
    "UNet2DConditionModel", "AutoencoderKL", "AutoencoderTiny", "DDPMScheduler", "DDIMScheduler",
    "PNDMScheduler", "LMSDiscreteScheduler", "HeunDiscreteScheduler", "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler",
    "LCMScheduler", "DEISMultistepScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSinglestepScheduler", "DPMSolverSDEScheduler", "EDMEulerScheduler",
    "EDMDPMSolverMultistepScheduler", "TCDScheduler", "SASolverScheduler", "IPNDMScheduler",
  ]) func everyKeyCounts(_ name: String) throws {
    let keys = try keys(name)
    let start = try start(name)
    let plain = try reading(name, start)
    var ignored: Set<String> = []
    var counts = (refused: 0, read: 0)
    for (key, usual) in keys {
      for value in others(start[key] ?? usual) {
        var changed = start.merging([key: value]) { $1 }
        // As many of these as there are channels: without them the number itself must count.
        if key == "latent_channels" { changed["latents_mean"] = nil }
        do {
          if try reading(name, changed) == plain {
            ignored.insert(key)
          } else {
            counts.read += 1
          }
        } catch {
          counts.refused += 1
          #expect("\(error)".contains(key), "\(key): \(value) is refused without its name: \(error)")
        }
      }
    }
    #expect(ignored == Self.noMatter[name] ?? [], "\(name)")
    print("keys of \(name): \(keys.count), \(counts.refused) values refused, \(counts.read) read")
  }

  /// A key that no version of diffusers known here has may mean anything.
  @Test(arguments: ["UNet2DConditionModel", "AutoencoderKL", "AutoencoderTiny", "DDIMScheduler"])
  func unknownKeysAreRefused(_ name: String) throws {
    let start = try start(name)
    for key in ["quantization_config", "use_novel_gating"] {
      let error = #expect(throws: CheckpointError.self) {
        try reading(name, start.merging([key: .bool(true)]) { $1 })
      }
      #expect(error?.description.contains(key) == true)
    }
    // Notes of the library begin so, and averaged weights leave these.
    _ = try reading(name, start.merging(["_note": .bool(true)]) { $1 })
  }

  /// What averaging weights in training leaves in `unet/config.json`.
  @Test func whatTrainingLeavesIsTaken() throws {
    var values = try ConfigObject(contentsOf: Places.golden("model/base/unet/config.json")).values
    for key in ["decay", "inv_gamma", "min_decay", "power", "optimization_step", "update_after_step"] {
      values[key] = .number(0.5)
    }
    values["use_ema_warmup"] = .bool(false)
    _ = try reading("UNet2DConditionModel", values)
  }

  /// Values that stand for parts of networks and methods that are not here, one by one.
  @Test(arguments: [
    ("UNet2DConditionModel", "_class_name", "UNet3DConditionModel"),
    ("UNet2DConditionModel", "_class_name", "UNetMotionModel"),
    ("UNet2DConditionModel", "down_block_types", "SimpleCrossAttnDownBlock2D"),
    ("UNet2DConditionModel", "up_block_types", "KCrossAttnUpBlock2D"),
    ("UNet2DConditionModel", "mid_block_type", "UNetMidBlock2DSimpleCrossAttn"),
    ("UNet2DConditionModel", "attention_type", "gated"),
    ("UNet2DConditionModel", "act_fn", "mish"),
    ("UNet2DConditionModel", "resnet_time_scale_shift", "scale_shift"),
    ("UNet2DConditionModel", "class_embed_type", "projection"),
    ("UNet2DConditionModel", "addition_embed_type", "image"),
    ("UNet2DConditionModel", "encoder_hid_dim_type", "text_proj"),
    ("UNet2DConditionModel", "time_embedding_type", "fourier"),
    ("UNet2DConditionModel", "cross_attention_norm", "layer_norm"),
    ("AutoencoderKL", "_class_name", "VQModel"), ("AutoencoderKL", "_class_name", "AsymmetricAutoencoderKL"),
    ("AutoencoderKL", "act_fn", "mish"), ("AutoencoderKL", "up_block_types", "AttnUpDecoderBlock2D"),
    ("AutoencoderTiny", "upsample_fn", "bilinear"), ("AutoencoderTiny", "act_fn", "mish"),
    ("DDIMScheduler", "prediction_type", "flow_prediction"), ("DDIMScheduler", "beta_schedule", "sigmoid"),
    ("DDIMScheduler", "timestep_spacing", "karras"), ("DDPMScheduler", "variance_type", "learned"),
    ("DPMSolverMultistepScheduler", "algorithm_type", "ipndm"),
    ("UniPCMultistepScheduler", "solver_type", "euler"),
    ("EulerDiscreteScheduler", "final_sigmas_type", "largest"),
  ]) func refusedByName(_ name: String, _ key: String, _ value: String) throws {
    var values = try start(name)
    if case .array(let list) = values[key] {
      values[key] = .array(list.map { _ in .string(value) })
    } else if key.hasSuffix("_types") {
      values[key] = .array([.string(value)])
    } else {
      values[key] = .string(value)
    }
    do {
      let text = try reading(name, values)
      Issue.record("\(key) = \(value) is taken: \(text.prefix(200))")
    } catch {
      #expect("\(error)".contains(key) && "\(error)".contains(value), "\(error)")
    }
  }

  /// Classes that a model's files name elsewhere.
  @Test(arguments: [
    ("scheduler/scheduler_config.json", "PNDMScheduler", "FlowMatchEulerDiscreteScheduler"),
    ("text_encoder/config.json", "CLIPTextModel", "T5EncoderModel"),
    ("text_encoder/config.json", "quick_gelu", "relu_squared"),
  ]) func classesOfAModel(_ file: String, _ word: String, _ other: String) throws {
    let place = try TemporaryFolder()
    let folder = try place.copy(Places.golden("model/base"), to: "model")
    defer { withExtendedLifetime(place) {} }
    let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
    try #require(text.contains("\"\(word)\""))
    try text.replacingOccurrences(of: "\"\(word)\"", with: "\"\(other)\"")
      .write(toFile: "\(folder)/\(file)", atomically: true, encoding: .utf8)
    do {
      let model = try DiffusionModel(folder: ModelFolder(path: folder), cache: .init(budget: 0))
      _ = try model.schedulerName(for: PictureRequest(prompt: "x", width: 64, height: 64))
      Issue.record("\(other) is taken")
    } catch { #expect("\(error)".contains(other), "\(error)") }
  }
}
