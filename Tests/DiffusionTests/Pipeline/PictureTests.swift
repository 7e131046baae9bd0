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

/// Whole renders against genuine diffusers and segmoe: mean difference at most 0.05 levels, maximum
/// at most 2; and proof that a wrong mixture would not pass.
@Suite struct PictureTests {
  private let settings: [GoldenPicture]

  init() throws { settings = try GoldenPicture.list("pictures") }

  @Test(arguments: ["base", "wide", "all-3x2", "ff-2x1", "attn-3x1"])
  func sameAsTheReference(_ name: String) throws {
    let own = settings.filter { $0.model == name }
    #expect(own.count >= 2)
    for setting in own { try setting.expect() }
  }

  /// A mixture whose gates are turned round picks other experts; one whose gates are shrunk picks
  /// the same ones and mixes them evenly. Either must be far outside the bound.
  @Test(arguments: [("wrong experts", Float(-1)), ("even weights", Float(1e-7))])
  func sensitiveToRouting(_ label: String, _ factor: Float) throws {
    let setting = try #require(settings.first { $0.model == "all-3x2" })
    let parts = try Golden.ModelParts("all-3x2")
    try Self.scaleGates(in: parts.path, by: factor)
    let difference = try setting.difference(setting.request(), by: parts.load())
    #expect(difference.mean > 1, "\(label): only \(difference.mean) levels away")
    print("planted \(label): mean \(difference.mean) max \(difference.max) levels")
  }

  @Test func sensitiveToGuidance() throws {
    let setting = try #require(settings.first { $0.model == "all-3x2" })
    var request = try setting.request()
    request.guidance -= 0.5
    #expect(try setting.difference(request).mean > 0.5)
  }

  /// The budget of the expert cache never shows in the picture.
  @Test func sameBytesAtEveryBudget() throws {
    let setting = try #require(settings.first { $0.model == "all-3x2" })
    let images = try [0, 40_000, 200_000, Int.max].map { budget in
      let ledger = CacheLedger()
      let model = try Golden.ModelParts("all-3x2").load(cache: PartCache(budget: budget))
      let renderer = Renderer(
        model: model, pass: ForwardPass(compute: Compute(threads: 2), ledger: ledger))
      let image = try renderer.render(setting.request())
      if budget == 0 { #expect(ledger.counts.hits == 0 && ledger.counts.bypasses == ledger.counts.misses) }
      if budget == .max { #expect(ledger.counts.evictions == 0 && ledger.counts.hits > ledger.counts.misses) }
      return image
    }
    for image in images { #expect(image == images[0]) }
  }

  /// Replaces the UNet's link by a copy with every gate multiplied.
  static func scaleGates(in folder: String, by factor: Float) throws {
    let files = FileManager.default
    let source = try files.destinationOfSymbolicLink(atPath: folder + "/unet")
    try files.removeItem(atPath: folder + "/unet")
    try files.copyItem(atPath: source, toPath: folder + "/unet")
    let path = folder + "/unet/diffusion_pytorch_model.safetensors"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let headerSize = Int(
      bytes.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) })
    let header = try #require(
      try JSONSerialization.jsonObject(with: bytes.subdata(in: 8..<8 + headerSize)) as? [String: Any])
    var changed = 0
    for (name, value) in header where name.hasSuffix(".gate.weight") {
      let entry = try #require(value as? [String: Any])
      let offsets = try #require(entry["data_offsets"] as? [Int])
      let type = try #require(entry["dtype"] as? String)
      try #require(type == "F32", "gates are stored as \(type)")
      for offset in stride(from: offsets[0], to: offsets[1], by: 4) {
        let place = 8 + headerSize + offset
        let bits = bytes.subdata(in: place..<place + 4).withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        let scaled = (Float(bitPattern: bits) * factor).bitPattern
        withUnsafeBytes(of: scaled) { bytes.replaceSubrange(place..<place + 4, with: $0) }
      }
      changed += 1
    }
    #expect(changed > 0)
    try bytes.write(to: URL(fileURLWithPath: path))
  }
}
