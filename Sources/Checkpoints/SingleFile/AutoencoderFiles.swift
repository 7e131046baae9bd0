import Boundary
import Glibc

/// The files of an autoencoder alone, as `--vae` names them.
///
/// The path may be the folder of a VAE or of a whole model, a safetensors file in diffusers' or CompVis' layout (a VAE
/// alone or a whole checkpoint), or TAESD, whole or only the decoder.
package struct AutoencoderFiles: Sendable {
  /// The path as given.
  package let path: String
  /// `config.json`, or what it would say for this VAE.
  package let config: ConfigObject
  /// The weights under diffusers' names.
  package let weights: Weights
  private let files: [String]

  /// Opens an autoencoder. A file alone does not tell how latents are scaled. The scale then comes from `own`, the
  /// configuration of the model's own autoencoder, or else from the model's family.
  /// - Throws: `missingFile`, `pickled`, `malformed`, and `unknownCheckpoint` if there is no autoencoder.
  package init(path: String, own: ConfigObject?, isXL: Bool) throws {
    try PickledFile.refuse(path)
    self.path = path
    let found = try CheckpointError.naming(path, "a VAE: a folder or a .safetensors file") {
      () throws(OpenFailure) in try Confinement.models.look(path)
    }
    guard !found.isFolder else {
      let folder =
        try ModelFolder.isModel(path: path)
        ? ModelFolder(path: path).component("vae") : ComponentFolder(path: path)
      config = try folder.config()
      weights = try folder.weights()
      files = try folder.weightFileNames().map { folder.path(of: $0) } + [config.path]
      return
    }
    let file = try TensorFiles.open(path)
    let tensors = try Self.tensors(of: file)
    weights = Weights(tensors: tensors, path: path)
    if let beside = Self.configsBeside(path).first(where: Confinement.models.has) {
      config = try ConfigObject(contentsOf: beside)
      files = [path, beside]
    } else {
      let isTiny = tensors["decoder.layers.0.weight"] != nil
      config = try isTiny ? Self.tiny(weights) : Self.derived(weights, own: own, isXL: isXL)
      files = [path]
    }
  }

  /// Adds every byte that can change a picture.
  package func add(to digest: inout Digest) throws {
    for file in files {
      let reader = try FileReader(path: file, purpose: "the VAE")
      digest.add(Array("\(reader.size)\0".utf8))
      try digest.add(contentsOf: reader)
    }
  }

  // MARK: - Files

  /// Where a file's configuration may be: in the folder `<file>.config`, or beside a file named as diffusers names it.
  package static func configsBeside(_ path: String) -> [String] {
    let split = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    var candidates = [CheckpointFile.companionPath(of: path) + "/config.json"]
    if path[split...].hasPrefix("diffusion_pytorch_model.") {
      candidates.append(path[..<split] + "config.json")
    }
    return candidates
  }

  private static func tensors(of file: any TensorFile) throws -> [String: StoredTensor] {
    var tensors = file.tensors
    // Within a whole checkpoint, other tensors are ignored.
    for prefix in KeyTable.autoencoderPrefixes
    where tensors.keys.contains(where: { $0.hasPrefix(prefix) }) {
      let inside = tensors.filter { $0.key.hasPrefix(prefix) }
      tensors = Dictionary(
        uniqueKeysWithValues: inside.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
      break
    }
    if tensors["decoder.up.0.block.0.conv1.weight"] != nil {
      return try AutoencoderKeyMap.views(tensors, path: file.path)
    }
    if tensors["decoder.up_blocks.0.resnets.0.conv1.weight"] != nil
      || tensors["decoder.layers.0.weight"] != nil
    {
      return tensors
    }
    if let decoder = bareDecoder(tensors) { return decoder }
    let isLoRA = tensors.keys.contains { $0.contains("lora_") || $0.contains(".lora") }
    throw CheckpointError.unknownCheckpoint(
      path: file.path,
      reason: isLoRA
        ? "is a LoRA: name it with --lora"
        : "holds no VAE decoder; give an AutoencoderKL or AutoencoderTiny (TAESD)")
  }

  /// TAESD's own files hold only the decoder. Its layers are numbered from 1, because a clamp without weights comes
  /// first.
  private static func bareDecoder(_ tensors: [String: StoredTensor]) -> [String: StoredTensor]? {
    guard tensors["1.weight"]?.shape.count == 4, tensors["3.conv.0.weight"] != nil else { return nil }
    var views: [String: StoredTensor] = [:]
    for (name, stored) in tensors {
      guard let dot = name.firstIndex(of: "."), let number = Int(name[..<dot]), number >= 1 else {
        return nil
      }
      let known = "decoder.layers.\(number - 1)\(name[dot...])"
      views[known] = stored.renamed(known)
    }
    return views
  }

  // MARK: - Configurations

  private static func derived(_ weights: Weights, own: ConfigObject?, isXL: Bool) throws -> ConfigObject {
    var base = KnownConfigurations.autoencoder(isXL: isXL)
    if let own, try own.stringIfPresent("_class_name") ?? "AutoencoderKL" == "AutoencoderKL" {
      for key in ["scaling_factor", "latents_mean", "latents_std", "force_upcast"] {
        base[key] = own.values[key] ?? base[key]
      }
    }
    let path = weights.path
    return try DerivedConfiguration(
      weights: weights, base: base, path: path,
      companion: CheckpointFile.companionPath(of: path) + "/config.json"
    ).autoencoder()
  }

  /// The shape of a TAESD decoder: blocks at one width, a step up after every run but the last.
  private static func tiny(_ weights: Weights) throws -> ConfigObject {
    var blocks: [Int] = [0]
    var index = 2
    while true {
      if weights.has("decoder.layers.\(index).conv.0.weight") {
        blocks[blocks.count - 1] += 1
        index += 1
      } else if weights.has("decoder.layers.\(index + 1).weight") {
        // An upsampling without weights, then its convolution.
        blocks.append(0)
        index += 2
      } else {
        break
      }
    }
    let first = try weights.stored("decoder.layers.0.weight").shape
    let last = try weights.stored("decoder.layers.\(index).weight").shape
    guard first.count == 4, last.count == 4 else {
      throw CheckpointError.malformed(path: weights.path, reason: "a convolution of shape \(first)")
    }
    let widths = JSONValue.array(blocks.map { _ in .integer(first[0]) })
    var values: [String: JSONValue] = [
      "_class_name": .string("AutoencoderTiny"), "act_fn": .string("relu"),
      "decoder_block_out_channels": widths, "latent_channels": .integer(first[1]),
      "num_decoder_blocks": .array(blocks.map(JSONValue.integer)), "out_channels": .integer(last[0]),
      "upsampling_scaling_factor": .integer(2),
    ]
    if let encoder = tinyEncoder(weights) {
      values["encoder_block_out_channels"] = .array(encoder.blocks.map { _ in .integer(encoder.width) })
      values["num_encoder_blocks"] = .array(encoder.blocks.map(JSONValue.integer))
    }
    return ConfigObject(path: weights.path, values: values)
  }

  /// The width of a TAESD encoder and its blocks after each convolution but the last; nil if there is none.
  private static func tinyEncoder(_ weights: Weights) -> (width: Int, blocks: [Int])? {
    guard let width = weights.shape(of: "encoder.layers.0.weight")?.first else { return nil }
    var blocks: [Int] = []
    var index = 0
    while true {
      if weights.has("encoder.layers.\(index).conv.0.weight"), !blocks.isEmpty {
        blocks[blocks.count - 1] += 1
      } else if weights.has("encoder.layers.\(index).weight") {
        blocks.append(0)
      } else {
        break
      }
      index += 1
    }
    return (width, Array(blocks.dropLast()))
  }
}
