import Checkpoints
import Foundation
import Tensors
import WeightCache

/// A model of real size with random weights, for measuring. It costs the same time and memory as a real model; its
/// pictures show noise.
package struct SyntheticModel: Sendable {
  private let preset: ModelPreset
  private let type: StoredType
  private let seed: UInt64

  /// - Parameters:
  ///   - preset: which model it is like.
  ///   - type: how weights are stored: F32, F16 or BF16.
  ///   - seed: the seed of the random weights.
  package init(_ preset: ModelPreset, type: StoredType, seed: UInt64) {
    self.preset = preset
    self.type = type
    self.seed = seed
  }

  /// Writes a diffusers folder, which must not exist.
  /// - Throws: `CheckpointError.unwritable` and file system errors.
  package func write(to folder: String) throws {
    let files = FileManager.default
    // An empty folder is accepted: the caller may have made it for the model.
    let inside = try? files.contentsOfDirectory(atPath: folder)
    guard !files.fileExists(atPath: folder) || inside?.isEmpty == true else {
      throw CheckpointError.unwritable(path: folder, reason: "exists already; choose another folder")
    }
    let tokenizers = preset.family == .xl ? ["tokenizer", "tokenizer_2"] : ["tokenizer"]
    for name in ["unet", "vae", "scheduler"] + tokenizers + preset.textEncoders.map(\.component) {
      try files.createDirectory(atPath: folder + "/" + name, withIntermediateDirectories: true)
    }
    try write(preset.index, to: folder + "/model_index.json")
    try write(preset.scheduler, to: folder + "/scheduler/scheduler_config.json")
    for name in tokenizers { try writeTokenizer(to: folder + "/" + name) }
    for (index, component) in try components().enumerated() {
      let path = folder + "/" + component.name
      try write(component.config, to: path + "/config.json")
      try write(component.tensors, to: path + "/" + component.file, stream: UInt64(1 + index))
    }
  }

  /// A network of the model: its folder, its configuration, its weights' file and the tensors in it.
  package struct Component {
    package let name: String
    package let config: [String: JSONValue]
    package let file: String
    package let tensors: [WeightRecorder.Request]
  }

  /// The model's networks. Each is built once from a recording source without weights, which lists the tensors that
  /// the network asks for.
  /// - Throws: `DiffusionError` and `CheckpointError` if a network cannot be built from the preset.
  package func components() throws -> [Component] {
    let home = PartHome(model: "synthetic", cache: PartCache(budget: 0, prefetches: false))
    func component(
      _ name: String, _ config: [String: JSONValue], file: String = "diffusion_pytorch_model.safetensors",
      build: (Weights, ConfigObject) throws -> Void
    ) throws -> Component {
      let recorder = WeightRecorder()
      try build(Weights(recording: recorder), ConfigObject(path: name, values: config))
      return Component(name: name, config: config, file: file, tensors: recorder.requests)
    }
    let unet = try component("unet", preset.unet) {
      _ = try UNet($0, UNetConfiguration($1), home: home["unet"])
    }
    let vae = try component("vae", preset.autoencoder) { _ = try Autoencoder($0, $1, home: home["vae"]) }
    let textEncoders = try preset.textEncoders.map { encoder in
      try component(encoder.component, encoder.config, file: "model.safetensors") {
        _ = try CLIPTextEncoder($0, CLIPTextConfiguration($1), home: home[encoder.component])
      }
    }
    return [unet, vae] + textEncoders
  }

  private func write(_ values: [String: JSONValue], to path: String) throws {
    try Data((JSONValue.object(values).text + "\n").utf8).write(to: URL(fileURLWithPath: path))
  }

  private func write(_ tensors: [WeightRecorder.Request], to path: String, stream: UInt64) throws {
    var numbers = RandomStream(seed: seed &* 31 &+ stream)
    let writer = try SafetensorsWriter(
      path: path, tensors: tensors.map { .init(name: $0.name, type: type, shape: $0.shape) },
      metadata: ["format": "pt"])
    for tensor in tensors {
      let values = Tensor(shape: tensor.shape) { result in
        guard tensor.shape.count > 1 else {
          // The weight of a normalization, or a bias. These values change nothing.
          return result.update(repeating: tensor.name.hasSuffix(".bias") ? 0 : 1)
        }
        // Each output is a sum of n products. Weights uniform within ±√(3/n) have the variance 1/n, which keeps
        // activations at their size.
        let bound = (3 / Float(tensor.shape.dropFirst().reduce(1, *))).squareRoot()
        for index in result.indices { result[index] = numbers.next() * bound }
      }
      try writer.append(values, name: tensor.name)
    }
    try writer.finish()
  }

  /// A made-up vocabulary of CLIP's size: the byte symbols, and merges of pairs of them.
  private func writeTokenizer(to folder: String) throws {
    let symbols = CLIPVocabulary.byteSymbols().map { String($0) }
    var tokens = symbols + symbols.map { $0 + "</w>" }
    var merges: [String] = []
    pairs: for first in symbols {
      for second in symbols {
        if tokens.count == 49406 { break pairs }
        merges.append("\(first) \(second)")
        tokens.append(first + second)
      }
    }
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    let vocabulary = Dictionary(uniqueKeysWithValues: tokens.enumerated().map { ($1, JSONValue.integer($0)) })
    try write(vocabulary, to: folder + "/vocab.json")
    let text = "#version: 0.2\n" + merges.joined(separator: "\n") + "\n"
    try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/merges.txt"))
    let special: [String: JSONValue] = [
      "bos_token": .string("<|startoftext|>"), "eos_token": .string("<|endoftext|>"),
      "model_max_length": .integer(77), "pad_token": .string("<|endoftext|>"),
      "tokenizer_class": .string("CLIPTokenizer"), "unk_token": .string("<|endoftext|>"),
    ]
    try write(special, to: folder + "/tokenizer_config.json")
  }
}

/// Uniform numbers in −1…1, fast and repeatable (xorshift64*).
private struct RandomStream {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> Float {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return Float((state &* 0x2545_F491_4F6C_DD1D) >> 40) * 0x1p-23 - 1
  }
}
