import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Images
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// A model whose UNet is stored in floats of 8 bits with scales, as ComfyUI saves it, against the same numbers in 32
/// bits.
@Suite struct Float8ModelTests {
  /// The values of E4M3's bytes from 0 to 126.
  private static let values: [Float] = (0..<127).map { byte in
    let (exponent, fraction) = (byte >> 3, Float(byte & 7) / 8)
    return exponent == 0 ? fraction * exp2f(-6) : (1 + fraction) * exp2f(Float(exponent - 7))
  }

  /// The byte whose value is nearest.
  private static func byte(_ value: Float) -> UInt8 {
    let size = abs(value)
    let above = values.firstIndex { $0 >= size } ?? values.count - 1
    let below = max(above - 1, 0)
    let nearest = size - values[below] < values[above] - size ? below : above
    return UInt8(nearest) | (value < 0 ? 0x80 : 0)
  }

  /// One tensor of the file.
  private struct Stored {
    let name: String
    let type: String
    let shape: [Int]
    let bytes: [UInt8]

    init(_ name: String, _ tensor: Tensor) {
      (self.name, type, shape) = (name, "F32", tensor.shape)
      bytes = littleEndian(tensor.values)
    }

    init(_ name: String, shape: [Int], bytes: [UInt8]) {
      (self.name, type, self.shape, self.bytes) = (name, "F8_E4M3", shape, bytes)
    }
  }

  private func write(_ tensors: [Stored], to path: String) throws {
    var (entries, data) = ([String](), [UInt8]())
    for tensor in tensors {
      let range = "\(data.count),\(data.count + tensor.bytes.count)"
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(
        #""\#(tensor.name)":{"dtype":"\#(tensor.type)","shape":[\#(shape)],"data_offsets":[\#(range)]}"#)
      data += tensor.bytes
    }
    try Data(safetensors(header: "{\(entries.joined(separator: ","))}", data: data))
      .write(to: URL(fileURLWithPath: path))
  }

  /// The base model with its UNet in the given tensors.
  private func picture(_ tensors: [Stored], _ precision: Precision) throws -> RGBImage {
    let parts = try Golden.ModelParts("base")
    defer { withExtendedLifetime(parts) {} }
    let files = FileManager.default
    let unet = parts.path + "/unet"
    try files.removeItem(atPath: unet)
    try files.createDirectory(atPath: unet, withIntermediateDirectories: true)
    try files.copyItem(atPath: Places.golden("model/base/unet/config.json"), toPath: unet + "/config.json")
    try write(tensors, to: unet + "/diffusion_pytorch_model.safetensors")
    let renderer = Renderer(
      model: try parts.load(precision: precision), pass: ForwardPass(compute: Compute(threads: 2)))
    return try renderer.render(PictureRequest(prompt: "a red fox", width: 64, height: 64, steps: 2, seed: 3))
  }

  @Test(arguments: [Precision.f32, .bf16, .int8]) func samePictureAsIn32Bits(_ precision: Precision) throws {
    let weights = try ModelFolder(path: Places.golden("model/base")).weights(for: "unet")
    var (packed, plain) = ([Stored](), [Stored]())
    for name in weights.names.sorted() {
      let tensor = try weights.stored(name).read()
      guard name.hasSuffix(".weight"), tensor.shape.count > 1 else {
        packed.append(Stored(name, tensor))
        plain.append(Stored(name, tensor))
        continue
      }
      let scale = tensor.values.reduce(1e-6) { max($0, abs($1)) } / 448
      let bytes = tensor.values.map { Self.byte($0 / scale) }
      let values = bytes.map { ($0 < 0x80 ? 1 : -1) * Self.values[Int($0 & 0x7f)] * scale }
      packed.append(Stored(name, shape: tensor.shape, bytes: bytes))
      packed.append(
        Stored(name.dropLast("weight".count) + "scale_weight", Tensor(shape: [1], repeating: scale)))
      plain.append(Stored(name, Tensor(shape: tensor.shape, values: values)))
    }
    let found = try picture(packed, precision)
    #expect(try found == picture(plain, precision))
    let untouched = try weights.names.sorted().map { Stored($0, try weights.stored($0).read()) }
    #expect(try found != picture(untouched, precision))
  }
}
