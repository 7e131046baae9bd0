import Checkpoints
import Diffusion
import Tensors

/// The decoder of a TAESD as one file: of random weights, four channels wide, with two pixels per latent along an edge.
/// It takes so little time that a daemon decodes previews by it within a second.
package enum SmallTAESD {
  private static let width = 4

  /// Name and shape of each tensor, as torch numbers them: activations and enlargements count too.
  private static var shapes: [(name: String, shape: [Int])] {
    func convolution(_ name: String, _ shape: [Int], bias: Bool = true) -> [(String, [Int])] {
      [(name + ".weight", shape + [3, 3])] + (bias ? [(name + ".bias", [shape[0]])] : [])
    }
    func block(_ number: Int) -> [(String, [Int])] {
      [0, 2, 4].flatMap { convolution("decoder.layers.\(number).conv.\($0)", [width, width]) }
    }
    return convolution("decoder.layers.0", [width, 4]) + block(2)
      + convolution("decoder.layers.4", [width, width], bias: false) + block(5)
      + convolution("decoder.layers.6", [3, width])
  }

  /// Writes it.
  /// - Parameters:
  ///   - path: of the file.
  ///   - isFinite: whether what it makes are numbers.
  package static func write(to path: String, isFinite: Bool = true) throws {
    let declarations = shapes.map {
      SafetensorsWriter.Declaration(name: $0.name, type: .float32, shape: $0.shape)
    }
    let writer = try SafetensorsWriter(path: path, tensors: declarations)
    var noise = TorchNoise(seed: 12)
    for (name, shape) in shapes {
      let draws = noise.latents(channels: 1, height: 1, width: shape.reduce(1, *)).values
      // The middle of the range of colours.
      let bias: Float = name == "decoder.layers.6.bias" ? (isFinite ? 0.5 : .nan) : 0
      try writer.append(Tensor(shape: shape, values: draws.map { 0.15 * $0 + bias }), name: name)
    }
    try writer.finish()
  }
}
