import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

/// Every family of adapters against the weights that genuine LyCORIS and PEFT make of it
/// (`Goldens/scripts/adapter_families.py`), and no other weight changed.
@Suite struct AdapterFamilyTests {
  static let folder = Places.golden("loras/families")

  static let names = [
    "dora-of-outputs", "dora-of-inputs", "dora-of-loha", "dora-of-lokr", "tucker", "loha-tucker",
    "lokr-tucker",
    "lokr-both", "lokr-unbalanced", "lokr-whole", "lokr-by-inputs", "glora-tucker", "extracted",
    "peft-whole-layers", "peft-norms", "rank-stabilized", "full", "oft",
    "oft-constrained", "boft", "boft-constrained", "glora", "ia3", "ia3-of-inputs", "peft-patterns",
    "peft-rank-stabilized", "peft-dora", "peft-biases", "peft-whole-biases", "peft-loha", "peft-lokr",
    "peft-lokr-whole", "peft-oft", "peft-oft-exact", "peft-oft-shared", "peft-boft", "peft-boft-butterfly",
    "peft-ia3",
  ]

  private func base() throws -> Weights {
    let file = try SafetensorsFile(path: Self.folder + "/base.safetensors")
    return try Weights(files: [file], path: file.path)
  }

  private func golden(_ name: String) throws -> (strength: Float, isFolder: Bool, fused: [String: [Float]]) {
    let all = try ConfigObject(contentsOf: Self.folder + "/families.json")
    let entry = try #require(try all.objectIfPresent(name))
    let file = try SafetensorsFile(path: Self.folder + "/fused.safetensors")
    var fused: [String: [Float]] = [:]
    for key in file.names where key.hasPrefix(name + "/") {
      fused[String(key.dropFirst(name.count + 1))] = try file[key]?.read().values
    }
    #expect(fused.count == (try entry.int("changed")))
    return (try entry.float("strength", default: 1), try entry.bool("folder", default: false), fused)
  }

  private func fused(_ name: String, _ golden: (Float, Bool), times factor: Float = 1) throws -> Weights {
    let path = golden.1 ? "\(name)/adapter_model" : name
    let lora = try LoRAFile(path: "\(Self.folder)/\(path).safetensors")
    #expect(lora.notices.isEmpty)
    return try #require(try lora.apply(to: [.unet: base()], weight: golden.0 * factor)[.unet])
  }

  @Test(arguments: names) func sameWeightsAsTheReference(_ name: String) throws {
    let golden = try golden(name)
    let (before, after) = (try base(), try fused(name, (golden.strength, golden.isFolder)))
    var worst: Float = 0
    for tensor in after.names {
      let stored = try after.stored(tensor)
      let (found, old) = (try stored.read().values, try before.stored(tensor).read().values)
      guard let wanted = golden.fused[tensor] else {
        #expect(found == old, "\(tensor) is changed, and should not be")
        continue
      }
      let largest = wanted.reduce(0) { max($0, abs($1)) }
      #expect(
        zip(wanted, old).contains { abs($0 - $1) > 0.01 * largest }, "\(tensor): the golden shows no change")
      let error = zip(found, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest
      worst = max(worst, error)
      #expect(error <= 1e-5, "\(tensor): off by \(error)")
      // Parts read alone are the same parts, whatever rows and blocks they cut.
      for range in [0..<1, 3..<min(17, stored.count), stored.count / 2..<stored.count] {
        #expect(try stored.elements(range) == Array(found[range]), "\(tensor) \(range)")
      }
    }
    print("adapter \(name): \(golden.fused.count) weights, worst difference \(worst)")
  }

  /// The comparison sees an adapter that counts two percent more.
  @Test(arguments: names) func sensitiveToTheStrength(_ name: String) throws {
    let golden = try golden(name)
    let after = try fused(name, (golden.strength, golden.isFolder), times: 1.02)
    for (tensor, wanted) in golden.fused {
      let largest = wanted.reduce(0) { max($0, abs($1)) }
      let found = try after.stored(tensor).read().values
      #expect(zip(found, wanted).contains { abs($0 - $1) > 1e-4 * largest }, "\(tensor)")
    }
  }
}
