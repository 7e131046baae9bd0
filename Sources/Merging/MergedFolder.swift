import Checkpoints
import Foundation
import Requests
import Tensors

/// Writes a SegMoE folder: the base's components, and a UNet with mixtures in place of the covered layers.
struct MergedFolder {
  let recipe: Recipe
  let base: MergeSource
  let experts: [MergeSource]
  let covered: CoveredLayers
  /// `[experts, in]` by covered layer.
  let gates: [String: Tensor]

  /// Writes into a temporary folder beside `output`, then gives it its name.
  /// - Throws: `MergeError.notWritable`, `MemoryRefusal`, and what reading the sources or `report` throws.
  func write(to output: String, report: (MergeProgress) throws -> Void) throws {
    let partial = try PartialFolder(for: output)
    do {
      try MemoryRefusal.check { try writeParts(to: partial.path, report: report) }
      try partial.publish()
    } catch {
      partial.discard()
      throw error
    }
  }

  private func writeParts(to folder: String, report: (MergeProgress) throws -> Void) throws {
    for name in ComponentCopy.names where base.files.has(name) {
      try report(.copying(component: name))
      try ComponentCopy(base: base, folder: folder).write(name)
    }
    try PartialFolder.writeJSON(modelIndex(), to: folder + "/model_index.json")
    try PartialFolder.makeFolder(folder + "/scheduler")
    try PartialFolder.writeJSON(scheduler(), to: folder + "/scheduler/scheduler_config.json")
    try PartialFolder.makeFolder(folder + "/unet")
    try PartialFolder.writeJSON(unetConfig(), to: folder + "/unet/config.json")
    try writeUNet(to: folder + "/unet/diffusion_pytorch_model.safetensors", report: report)
  }

  /// The content of `model_index.json`, with the scheduler that is saved and without a safety checker.
  private func modelIndex() -> [String: JSONValue] {
    var index = base.files.index.values
    index["scheduler"] = .array([.string("diffusers"), .string("DDPMScheduler")])
    let isXL = base.family == .sdxl
    for absent in ["feature_extractor", "image_encoder"] + (isXL ? [] : ["safety_checker"]) {
      index[absent] = .array([.null, .null])
    }
    if !isXL { index["requires_safety_checker"] = .bool(false) }
    return index
  }

  /// `DDPMScheduler.from_config` of the base's scheduler; an SD pipeline has changed it before, an SDXL
  /// pipeline has not.
  private func scheduler() throws -> [String: JSONValue] {
    var config = try base.files.config(for: "scheduler").values
    if base.family == .sd {
      if config["clip_sample"] != nil { config["clip_sample"] = .bool(false) }
      if config["steps_offset"] != nil { config["steps_offset"] = .integer(1) }
    }
    config["_class_name"] = .string("DDPMScheduler")
    return config.merging(Self.ddpmDefaults) { written, _ in written }
  }

  private static let ddpmDefaults: [String: JSONValue] = [
    "beta_end": .number(0.02), "beta_schedule": .string("linear"), "beta_start": .number(0.0001),
    "clip_sample": .bool(true), "clip_sample_range": .number(1), "dynamic_thresholding_ratio": .number(0.995),
    "num_train_timesteps": .integer(1000), "prediction_type": .string("epsilon"),
    "rescale_betas_zero_snr": .bool(false), "sample_max_value": .number(1), "steps_offset": .integer(0),
    "thresholding": .bool(false), "timestep_spacing": .string("leading"), "trained_betas": .null,
    "variance_type": .string("fixed_small"),
  ]

  /// The base's UNet configuration with `segmoe_config`: the recipe and what the merge made of it.
  private func unetConfig() throws -> [String: JSONValue] {
    var config = try base.files.config(for: "unet").values
    let written = try JSONValue(parsing: Array(recipe.written.json.utf8), path: recipe.base.position.file)
    guard case .object(var mixture) = Self.named(written) else {
      throw MergeError.unsupported(what: "a recipe that is not a mapping")
    }
    let shape = covered.configuration
    mixture["num_experts"] = .integer(shape.experts)
    mixture["num_experts_per_tok"] = .integer(shape.expertsPerCall)
    mixture["moe_layers"] = .string(shape.layers.rawValue)
    mixture["type"] = .string(base.family.rawValue)
    mixture["down_idx_start"] = .integer(shape.downBlocks.lowerBound)
    mixture["down_idx_end"] = .integer(shape.downBlocks.upperBound)
    mixture["up_idx_start"] = .integer(shape.upBlocks.lowerBound)
    mixture["up_idx_end"] = .integer(shape.upBlocks.upperBound)
    config["segmoe_config"] = .object(mixture)
    return config
  }

  /// The recipe with its sources as repositories, links without tokens, or names, so that it shows no folders of this
  /// machine.
  private static func named(_ value: JSONValue) -> JSONValue {
    switch value {
    case .object(let members):
      return .object(
        Dictionary(
          uniqueKeysWithValues: members.map { key, value in
            guard ["base_model", "source_model"].contains(key), case .string(let text) = value else {
              return (key, named(value))
            }
            return (key, .string(name(of: text)))
          }))
    case .array(let values): return .array(values.map(named))
    default: return value
    }
  }

  private static func name(of source: String) -> String {
    guard let remote = try? ModelSource(source, exists: { access($0, F_OK) == 0 }), remote.isRemote else {
      return source.hasPrefix("/") || source.hasPrefix("~") ? ModelSource.name(ofPath: source) : source
    }
    return "\(remote)"
  }

  /// A tensor of the merged UNet and where it comes from.
  private enum Part {
    case stored(StoredTensor, name: String)
    case gate(Tensor, name: String)

    var declaration: SafetensorsWriter.Declaration {
      switch self {
      case .stored(let tensor, let name):
        .init(name: name, type: tensor.exactType, shape: tensor.shape)
      case .gate(let tensor, let name): .init(name: name, type: .float32, shape: tensor.shape)
      }
    }
  }

  private func parts() throws -> [Part] {
    var parts: [Part] = []
    for name in base.weights.names {
      guard let (layer, rest) = covered.split(name) else {
        parts.append(.stored(try base.weights.stored(name), name: name))
        continue
      }
      for (index, expert) in experts.enumerated() {
        parts.append(.stored(try expert.weights.stored(name), name: "\(layer).experts.\(index).\(rest)"))
      }
    }
    for (layer, gate) in gates.sorted(by: { $0.key < $1.key }) {
      parts.append(.gate(gate, name: "\(layer).gate.weight"))
    }
    return parts
  }

  private func writeUNet(to path: String, report: (MergeProgress) throws -> Void) throws {
    let parts = try parts()
    let writer = try SafetensorsWriter(
      path: path, tensors: parts.map(\.declaration), metadata: ["format": "pt"])
    for (index, part) in parts.enumerated() {
      try report(.writing(done: index, total: parts.count))
      switch part {
      case .stored(let tensor, let name): try writer.append(tensor, name: name)
      case .gate(let tensor, let name): try writer.append(tensor, name: name)
      }
    }
    try writer.finish()
  }
}
