import Checkpoints
import Requests
import Tensors

/// The tensors of the networks that LoRAs change, with the LoRAs added as they are read.
package struct ModelWeights: Sendable {
  package let unet: Weights
  package let textEncoder: Weights
  /// SDXL's second one; nil for models without.
  package let textEncoder2: Weights?
  /// Learned words that the LoRAs brought.
  package let words: [TextualInversion]
  /// What a person should know of the LoRAs, one line each.
  package let notices: [String]
  /// Tells the weights of one model with different LoRAs apart; empty without any.
  package let suffix: String
  /// SHA-256 of each LoRA's file, in hexadecimal.
  package let loraDigests: [String]

  /// Opens the weights of a model; nothing is read yet.
  /// - Parameters:
  ///   - folder: the model's files.
  ///   - loras: fused into the weights as they are read.
  ///   - precision: what layers built from them compute in.
  ///   - halves: parts of the names of layers of the UNet that compute in bfloat16 all the same.
  /// - Throws: `CheckpointError` for missing or damaged files, and for LoRA keys that fit nothing.
  package init(
    _ folder: any ModelFiles, loras: [LoRAReference], precision: Precision = .f32,
    inHalves halves: [String] = []
  ) throws {
    var networks: [LoRAComponent: Weights] = [
      .unet: try folder.weights(for: "unet"), .textEncoder: try folder.weights(for: "text_encoder"),
    ]
    if folder.has("text_encoder_2") { networks[.textEncoder2] = try folder.weights(for: "text_encoder_2") }
    var digest = Digest()
    var words: [TextualInversion] = []
    var (notices, files) = ([String](), [String]())
    for lora in loras {
      let file = try LoRAFile(path: Self.file(lora.path))
      let weight = Float(lora.weight)
      networks = try file.apply(to: networks, weight: weight)
      notices += file.notices
      let reader = try FileReader(path: file.path, purpose: "a LoRA")
      var own = Digest()
      try own.add(contentsOf: reader)
      let text = own.hexadecimal()
      files.append(text)
      words += try file.words.map { try TextualInversion($0, path: file.path, digest: text) }
      try digest.add(contentsOf: reader)
      digest.add(Array(file.settingsText.utf8))
      digest.add(Array(" \(weight) ".utf8))
    }
    loraDigests = files
    guard let unet = networks[.unet], let textEncoder = networks[.textEncoder] else {
      throw CheckpointError.missingFile(path: folder.path, purpose: "a UNet and a text encoder")
    }
    self.unet = unet.layers(in: precision, inHalves: halves)
    self.textEncoder = textEncoder.layers(in: precision.besideUNet)
    textEncoder2 = networks[.textEncoder2]?.layers(in: precision.besideUNet)
    self.words = words
    self.notices = notices
    suffix = loras.isEmpty ? "" : "+" + digest.hexadecimal()
  }

  /// Errors: `pickled` for a folder that holds the LoRA in no other form.
  private static func file(_ path: String) throws -> String {
    for name in ["pytorch_lora_weights", "adapter_model"] {
      let inside = "\(path)/\(name).safetensors"
      if (try? FileReader(path: inside, purpose: "a LoRA")) != nil { return inside }
    }
    try PickledFile.refuse(in: path)
    return path
  }
}

extension Precision {
  /// What text encoders and autoencoders compute in: int8 is for the UNet, where nearly all of the time
  /// goes; they are in bf16 then.
  package var besideUNet: Precision { self == .int8 ? .bf16 : self }

  /// What the shortcuts of residual blocks compute in. What comes through them is added to the result as it is, and at
  /// the last steps it is far larger than what the network predicts: they made two thirds of int8's error
  /// (docs/precision.md), at a fiftieth of the work.
  var ofShortcuts: Precision { self == .int8 ? .bf16 : self }
}
