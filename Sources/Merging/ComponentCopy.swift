import Checkpoints
import Diffusion
import Foundation

/// Copies a component of the base into a merged folder, whatever the base's layout. LoRAs of the base, which may change
/// text encoders, are fused.
struct ComponentCopy {
  let base: MergeSource
  /// The merged folder under its temporary name.
  let folder: String

  private var files: any ModelFiles { base.files }

  /// The components that a merge leaves as they are, where the base has them.
  static let names = ["text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae"]

  /// - Throws: what reading throws; `MergeError.notWritable`.
  func write(_ name: String) throws {
    try PartialFolder.makeFolder(folder + "/" + name)
    if let model = files as? ModelFolder {
      try copy(model.component(name), name)
    } else if name.hasPrefix("tokenizer") {
      switch try files.tokenizer(name) {
      case .folder(let source): try copy(source, name)
      case .clip(let pad): try writeTokenizer(name, pad: pad)
      }
    } else {
      try PartialFolder.writeJSON(files.config(for: name).values, to: "\(folder)/\(name)/config.json")
      try writeWeights(name)
    }
  }

  /// A folder's files. Weights become one file under the name without variant, because the reference looks for no other
  /// name in a merged folder.
  private func copy(_ component: ComponentFolder, _ name: String) throws {
    for file in try FileManager.default.contentsOfDirectory(atPath: component.path)
    where !Self.isWeight(file) {
      try copy(component.path(of: file), to: "\(folder)/\(name)/\(file)")
    }
    guard !name.hasPrefix("tokenizer") else { return }
    let weights = try component.weightFileNames()
    if weights.count == 1, weights[0].hasSuffix(".safetensors"), !base.changes(name) {
      try copy(component.path(of: weights[0]), to: "\(folder)/\(name)/\(Self.weightFile(of: name))")
    } else {
      try writeWeights(name)
    }
  }

  /// Weights of any format and precision, and their indexes.
  private static func isWeight(_ file: String) -> Bool {
    file.contains(".safetensors") || file.hasSuffix(".gguf")
      || [".bin", ".index.json", ".msgpack", ".h5", ".onnx"].contains {
        file.hasSuffix($0)
      }
  }

  private static func weightFile(of name: String) -> String {
    name == "vae" ? "diffusion_pytorch_model.safetensors" : "model.safetensors"
  }

  private func copy(_ source: String, to target: String) throws {
    do {
      // A link into a cache would leave a folder that breaks when the cache is cleaned: copy the file.
      let real = URL(fileURLWithPath: source).resolvingSymlinksInPath().path
      try FileManager.default.copyItem(atPath: real, toPath: target)
    } catch {
      throw MergeError.notWritable(path: target, reason: error.localizedDescription)
    }
  }

  /// Writes tensor by tensor. This covers shards, views of a single file, and tensors changed by a LoRA of the base.
  private func writeWeights(_ name: String) throws {
    let weights = try base.weights(of: name)
    let tensors = try weights.names.map { try weights.stored($0) }
    let writer = try SafetensorsWriter(
      path: "\(folder)/\(name)/\(Self.weightFile(of: name))",
      tensors: tensors.map { .init(name: $0.name, type: $0.exactType, shape: $0.shape) })
    for tensor in tensors { try writer.append(tensor, name: tensor.name) }
    try writer.finish()
  }

  /// CLIP's own tokenizer in the hub's layout.
  private func writeTokenizer(_ name: String, pad: String) throws {
    let place = "\(folder)/\(name)/"
    let ids = try CLIPTokenizer.clipVocabulary().mapValues { JSONValue.integer(Int($0)) }
    try PartialFolder.write(Data(JSONValue.object(ids).text.utf8), to: place + "vocab.json")
    try PartialFolder.write(Data(CLIPTokenizer.mergesText), to: place + "merges.txt")
    func special(_ content: String) -> JSONValue {
      .object([
        "content": .string(content), "lstrip": .bool(false), "normalized": .bool(true),
        "rstrip": .bool(false), "single_word": .bool(false),
      ])
    }
    let specials: [String: JSONValue] = [
      "bos_token": special("<|startoftext|>"), "eos_token": special("<|endoftext|>"),
      "pad_token": .string(pad), "unk_token": special("<|endoftext|>"),
    ]
    try PartialFolder.writeJSON(specials, to: place + "special_tokens_map.json")
    try PartialFolder.writeJSON(
      [
        "add_prefix_space": .bool(false), "do_lower_case": .bool(true), "errors": .string("replace"),
        "model_max_length": .integer(77), "pad_token": .string(pad),
        "tokenizer_class": .string("CLIPTokenizer"),
      ], to: place + "tokenizer_config.json")
  }
}
