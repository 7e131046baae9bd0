import ArgumentParser
import Checkpoints
import Configuration
import Diffusion
import Experts
import Foundation
import Tensors

/// Options of every command that computes.
struct EngineOptions: ParsableArguments {
  @Option(
    name: .customLong("memory-budget"),
    help: ArgumentHelp("Memory for cached experts, e.g. 4GiB; without it no limit.", valueName: "size"))
  var memoryBudget: ByteCount?

  @Option(help: "Threads that compute; without it one per processor.")
  var threads: Int?

  @Option(help: ArgumentHelp("f32; bf16 and int8 are not built yet.", valueName: "name"))
  var precision = "f32"

  @Option(
    help: ArgumentHelp(
      "A LoRA to fuse into the model, with its weight; may be given again.", valueName: "file[:weight]"))
  var lora: [LoRAArgument] = []

  mutating func validate() throws {
    guard ["f32", "bf16", "int8"].contains(precision) else {
      throw ValidationError("--precision \(precision) is unknown; use f32")
    }
    guard precision == "f32" else {
      throw ValidationError("--precision \(precision) is not built into this version; use f32")
    }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads) is out of range; use 1 to 1024")
    }
  }

  func compute() -> Compute { Compute(threads: threads) }

  func cache() -> ExpertCache { ExpertCache(budget: memoryBudget?.bytes ?? .max) }

  /// Loads a model folder with the LoRAs of these options.
  func load(_ path: String, cache: ExpertCache) throws -> DiffusionModel {
    guard FileManager.default.fileExists(atPath: path) else {
      throw Problem.missing("model \(path) is not there; give the path of a model folder")
    }
    let folder = try ModelFolder(path: path)
    return try DiffusionModel(
      folder: folder, cache: cache, loras: lora.map { LoRASetting(path: $0.path, weight: $0.weight) })
  }
}

/// A LoRA file and how strongly it counts: `FILE` or `FILE:0.8`.
struct LoRAArgument: ExpressibleByArgument {
  let path: String
  let weight: Float

  init?(argument: String) {
    if let colon = argument.lastIndex(of: ":"), let weight = Float(argument[argument.index(after: colon)...]),
      weight.isFinite
    {
      path = String(argument[..<colon])
      self.weight = weight
    } else {
      path = argument
      weight = 1
    }
    if path.isEmpty { return nil }
  }
}
