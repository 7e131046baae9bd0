import Checkpoints
import Diffusion
import Foundation

/// Takes a component of the base over into a merged folder, whatever the base's layout.
struct ComponentCopy {
  let files: any ModelFiles
  /// The merged folder under its temporary name.
  let folder: String

  /// The components that a merge leaves as they are, where the base has them.
  static let names = ["text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae"]

  /// - Throws: what reading throws; `MergeError.notWritable`.
  func write(_ name: String) throws {
    try MergedFolder.makeFolder(folder + "/" + name)
    if let model = files as? ModelFolder {
      try copy(model.component(name), name)
    } else if name.hasPrefix("tokenizer") {
      switch try files.tokenizer(name) {
      case .folder(let source): try copy(source, name)
      case .clip(let pad): try writeTokenizer(name, pad: pad)
      }
    } else {
      try MergedFolder.writeJSON(files.config(for: name).values, to: "\(folder)/\(name)/config.json")
      try writeWeights(name)
    }
  }

  /// A folder's files, weights under the name without variant: the only one that the reference looks for
  /// in a merged folder.
  private func copy(_ component: ComponentFolder, _ name: String) throws {
    let weights = name.hasPrefix("tokenizer") ? [] : try component.weightFileNames()
    for file in try FileManager.default.contentsOfDirectory(atPath: component.path) {
      let isWeight = file.contains(".safetensors") || file.hasSuffix(".bin")
      guard !isWeight || weights.contains(file) || (weights.count > 1 && file.hasSuffix(".index.json"))
      else { continue }
      let plain = file.replacingOccurrences(of: ".fp16.", with: ".")
      try copy(component.path(of: file), to: "\(folder)/\(name)/\(plain)")
    }
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

  /// The views onto a single file, tensor by tensor.
  private func writeWeights(_ name: String) throws {
    let weights = try files.weights(for: name)
    let file = name == "vae" ? "diffusion_pytorch_model.safetensors" : "model.safetensors"
    let tensors = try weights.names.map { try weights.stored($0) }
    let writer = try SafetensorsWriter(
      path: "\(folder)/\(name)/\(file)",
      tensors: tensors.map { .init(name: $0.name, type: $0.type, shape: $0.shape) })
    for tensor in tensors { try writer.append(tensor, name: tensor.name) }
    try writer.finish()
  }

  /// CLIP's own tokenizer in the hub's layout.
  private func writeTokenizer(_ name: String, pad: String) throws {
    let place = "\(folder)/\(name)/"
    let ids = try CLIPTokenizer.clipVocabulary().mapValues { JSONValue.integer(Int($0)) }
    try MergedFolder.write(Data(JSONValue.object(ids).text.utf8), to: place + "vocab.json")
    try MergedFolder.write(Data(CLIPTokenizer.mergesText), to: place + "merges.txt")
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
    try MergedFolder.writeJSON(specials, to: place + "special_tokens_map.json")
    try MergedFolder.writeJSON(
      [
        "add_prefix_space": .bool(false), "do_lower_case": .bool(true), "errors": .string("replace"),
        "model_max_length": .integer(77), "pad_token": .string(pad),
        "tokenizer_class": .string("CLIPTokenizer"),
      ], to: place + "tokenizer_config.json")
  }
}
