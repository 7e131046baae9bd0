import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import TestSupport
import Testing

/// LoRA files in trainers' styles for the tiny SDXL model: every fused weight as genuine diffusers and peft have
/// it, and no other weight changed (`Goldens/scripts/lora_files.py`).
@Suite struct LoRAGoldenTests {
  private static let weight = 0.7

  private func fused(_ name: String, weight: Double) throws -> (before: ModelWeights, after: ModelWeights) {
    let parts = try Golden.ModelParts("xl")
    let folder = try ModelFolder(path: parts.path)
    let lora = LoRAReference(path: Places.golden("loras/\(name).safetensors"), weight: weight)
    return (try ModelWeights(folder, loras: []), try ModelWeights(folder, loras: [lora]))
  }

  /// The golden's tensor names by network: `kohya/unet/…`. Text encoders go with and without a prefix.
  private func golden(_ name: String) throws -> [String: [String: [Float]]] {
    let file = try Golden.tensors("loras/fused.safetensors")
    var found: [String: [String: [Float]]] = [:]
    for key in file.file.names where key.hasPrefix(name + "/") {
      let parts = key.split(separator: "/")
      var tensor = String(parts[2])
      if parts[1] != "unet", !tensor.hasPrefix("text_model.") { tensor = "text_model." + tensor }
      found[String(parts[1]), default: [:]][tensor] = try file[key].values
    }
    return found
  }

  private func networks(_ weights: ModelWeights) -> [String: Weights] {
    var networks = ["unet": weights.unet, "text_encoder": weights.textEncoder]
    networks["text_encoder_2"] = weights.textEncoder2
    return networks
  }

  @Test(arguments: ["kohya", "compvis", "bare", "lycoris"])
  func sameWeightsAsTheReference(_ name: String) throws {
    let golden = try golden(name)
    let (before, after) = try fused(name, weight: Self.weight)
    let plain = networks(before)
    var (count, worst) = (0, 0.0)
    for (component, weights) in networks(after) {
      for tensor in weights.names {
        let found = try weights.stored(tensor)
        guard let wanted = golden[component]?[tensor] else {
          #expect(found.isRaw, "\(component) \(tensor) is changed, and should not be")
          continue
        }
        let old = try #require(try plain[component]?.stored(tensor).read().values)
        let largest = zip(wanted, old).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(largest > 0.01, "\(tensor): the golden shows no change")
        let error = zip(try found.read().values, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) }
        worst = max(worst, Double(error))
        #expect(error <= 1e-5, "\(component) \(tensor): off by \(error)")
        count += 1
      }
    }
    #expect(count == golden.values.reduce(0) { $0 + $1.count } && count >= 4)
    print("LoRA \(name): \(count) weights, worst difference \(worst)")
  }

  /// The comparison sees a weight of 0.69 for 0.7.
  @Test(arguments: ["kohya", "compvis", "bare", "lycoris"])
  func sensitiveToTheWeight(_ name: String) throws {
    let golden = try golden(name)
    let after = networks(try fused(name, weight: 0.69).after)
    for (component, tensors) in golden {
      for (tensor, wanted) in tensors {
        let found = try #require(try after[component]?.stored(tensor).read().values)
        #expect(zip(found, wanted).contains { abs($0 - $1) > 1e-4 }, "\(tensor)")
      }
    }
  }
}
