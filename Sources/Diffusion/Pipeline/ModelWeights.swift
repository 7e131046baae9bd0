import Boundary
import Checkpoints
import Requests
import Tensors

/// The weights of the networks that LoRAs can change. LoRAs are fused when weights are read.
package struct ModelWeights: Sendable {
  package let unet: Weights
  package let textEncoder: Weights
  /// SDXL's second text encoder; nil in other models.
  package let textEncoder2: Weights?
  /// Learned words that the LoRAs bring along.
  package let words: [TextualInversion]
  /// Notices about the LoRAs for the user, one line each.
  package let notices: [String]
  /// Appended to the model's digest, so that different LoRAs are told apart; empty without LoRAs.
  package let suffix: String
  /// SHA-256 of each LoRA's file, in hexadecimal.
  let loraDigests: [String]
  /// Bytes of memory that the LoRAs' factors take.
  let loraBytes: Int

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
    var (notices, files, bytes) = ([String](), [String](), 0)
    for lora in loras {
      let file = try LoRAFile(path: LoRAFile.file(of: lora.path))
      let weight = Float(lora.weight)
      networks = try file.apply(to: networks, weight: weight)
      notices += file.notices
      bytes += file.memory
      var own = Digest()
      try file.add(to: &own)
      let text = own.hexadecimal()
      files.append(text)
      words += try file.words.map { try TextualInversion($0, path: file.path, digest: text) }
      try file.add(to: &digest)
      digest.add(Array(file.settingsText.utf8))
      digest.add(Array(" \(weight) ".utf8))
    }
    loraDigests = files
    loraBytes = bytes
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
}

extension Precision {
  /// The precision of text encoders and autoencoders. int8 is for the UNet only, which takes nearly all of the time;
  /// the others are in bf16 then.
  package var besideUNet: Precision { self == .int8 ? .bf16 : self }

  /// The precision of residual blocks' shortcuts. A shortcut's output is added directly to the result, and in the
  /// last steps it is far larger than the prediction. In int8, shortcuts caused two thirds of the error
  /// (docs/precision.md) but are a fiftieth of the work, so they stay in bf16.
  var ofShortcuts: Precision { self == .int8 ? .bf16 : self }
}
