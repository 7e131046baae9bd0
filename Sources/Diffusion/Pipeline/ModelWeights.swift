import Checkpoints

/// A LoRA to fuse into a model as its weights are read.
package struct LoRASetting: Sendable, Hashable {
  /// A file, or a folder with `pytorch_lora_weights.safetensors`.
  package let path: String
  /// How strongly it counts; 1 is as trained.
  package let weight: Float

  package init(path: String, weight: Float) {
    self.path = path
    self.weight = weight
  }
}

/// The tensors of the networks that LoRAs change, with the LoRAs added as they are read.
package struct ModelWeights: Sendable {
  package let unet: Weights
  package let textEncoder: Weights
  /// Tells the weights of one model with different LoRAs apart; empty without any.
  package let suffix: String

  /// Opens the weights of a folder; nothing is read yet.
  /// - Throws: `CheckpointError` for missing or damaged files, and for LoRA keys that fit nothing.
  package init(_ folder: ModelFolder, loras: [LoRASetting]) throws {
    var networks: [LoRAComponent: Weights] = [
      .unet: try folder.weights(for: "unet"), .textEncoder: try folder.weights(for: "text_encoder"),
    ]
    var digest = Digest()
    for lora in loras {
      let file = try Self.file(lora.path)
      networks = try LoRAFile(path: file).apply(to: networks, weight: lora.weight)
      try digest.add(contentsOf: FileReader(path: file, purpose: "a LoRA"))
      digest.add(Array(" \(lora.weight) ".utf8))
    }
    guard let unet = networks[.unet], let textEncoder = networks[.textEncoder] else {
      throw CheckpointError.missingFile(path: folder.path, purpose: "a UNet and a text encoder")
    }
    self.unet = unet
    self.textEncoder = textEncoder
    suffix = loras.isEmpty ? "" : "+" + digest.hexadecimal()
  }

  private static func file(_ path: String) throws -> String {
    let inside = path + "/pytorch_lora_weights.safetensors"
    return (try? FileReader(path: inside, purpose: "a LoRA")) == nil ? path : inside
  }
}
