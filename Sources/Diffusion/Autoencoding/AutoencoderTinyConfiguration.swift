import Checkpoints
import Tensors

/// The shape of a tiny autoencoder (TAESD): `vae/config.json` of an `AutoencoderTiny`.
package struct AutoencoderTinyConfiguration: Sendable {
  /// The value of `_class_name`.
  static let className = "AutoencoderTiny"

  /// Encoder or decoder: its width, and how many blocks come before each change of size and at the end.
  package struct Half: Sendable, Equatable {
    package let width: Int
    package let blocks: [Int]
  }

  let imageChannels: Int
  package let latentChannels: Int
  package let encoder: Half
  package let decoder: Half
  package let activation: Compute.Activation
  /// Latents are divided by this before decoding.
  package let scalingFactor: Float

  /// Pixels per latent along an edge.
  package var pixelsPerLatent: Int { 1 << (decoder.blocks.count - 1) }

  /// Multiplications and additions of the decoder.
  /// - Parameters:
  ///   - height: of the latents.
  ///   - width: of the latents.
  func decoderOperations(height: Int, width: Int) -> Int {
    let channels = decoder.width
    // Of a 3×3 convolution.
    func operations(_ inputs: Int, _ outputs: Int, _ positions: Int) -> Int {
      2 * 9 * inputs * outputs * positions
    }
    var positions = height * width
    var sum = operations(latentChannels, channels, positions)
    for (stage, blocks) in decoder.blocks.enumerated() {
      // A block has three; after each stage but the last comes one at twice the size.
      sum += blocks * 3 * operations(channels, channels, positions)
      guard stage < decoder.blocks.count - 1 else { break }
      positions *= 4
      sum += operations(channels, channels, positions)
    }
    return sum + operations(channels, imageChannels, positions)
  }

  /// - Throws: `CheckpointError` from the config file, `DiffusionError.unsupported` for anything that this
  ///   engine cannot do.
  package init(_ config: ConfigObject) throws {
    func refuse(_ key: String, _ value: String) -> DiffusionError {
      .unsupported(file: config.path, key: key, value: value)
    }
    try config.refuseUnknown(allowed: Self.knownKeys)
    func half(_ side: String, _ usual: [Int]) throws -> Half {
      let blocks = try config.intsIfPresent("num_\(side)_blocks", in: 0...1024) ?? usual
      let widths =
        try config.intsIfPresent("\(side)_block_out_channels", in: 1...65536) ?? blocks.map { _ in 64 }
      // Convolutions between the stages keep the width, so stages of different width cannot follow.
      guard let width = widths.first, Set(widths).count == 1, widths.count == blocks.count,
        blocks.count <= 8
      else { throw refuse("\(side)_block_out_channels", "\(widths) with \(blocks) blocks") }
      return Half(width: width, blocks: blocks)
    }
    encoder = try half("encoder", [1, 3, 3, 3])
    decoder = try half("decoder", [3, 3, 3, 1])
    imageChannels = try config.int("out_channels", default: 3)
    guard imageChannels == 3 else { throw refuse("out_channels", "\(imageChannels)") }
    latentChannels = try config.int("latent_channels", default: 4, in: 1...65536)
    switch try config.string("act_fn", default: "relu") {
    case "relu": activation = .relu
    case "silu", "swish": activation = .silu
    case "gelu": activation = .gelu
    case let other: throw refuse("act_fn", other)
    }
    try config.refuse("upsample_fn", unless: .string("nearest"))
    try config.refuse("upsampling_scaling_factor", unless: .integer(2), .number(2))
    scalingFactor = try config.float("scaling_factor", default: 1)
    guard scalingFactor.isFinite, scalingFactor != 0 else {
      throw refuse("scaling_factor", "\(scalingFactor)")
    }
  }

  /// Keys of diffusers' `AutoencoderTiny`. diffusers writes `block_out_channels`, a copy of the encoder's and
  /// decoder's own, when it saves a model. It ignores the key when it loads one.
  private static let knownKeys: Set<String> = [
    "act_fn", "block_out_channels", "decoder_block_out_channels",
    "encoder_block_out_channels",
    "force_upcast", "in_channels",
    "latent_channels", "latent_magnitude", "latent_shift", "num_decoder_blocks", "num_encoder_blocks",
    "out_channels", "scaling_factor", "shift_factor", "upsample_fn", "upsampling_scaling_factor",
  ]
}
