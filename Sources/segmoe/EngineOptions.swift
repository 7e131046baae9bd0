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
    help: ArgumentHelp(
      "Memory that the process may take in all, e.g. 4GiB; without it no limit.", valueName: "size"))
  var memoryBudget: ByteCount?

  @Option(
    name: .customLong("cache-policy"),
    help: ArgumentHelp(
      "Which weights leave first when the budget is short: lru, next-use or pin-first.", valueName: "name"))
  var cachePolicy = CachePolicy.nextUse

  @Option(help: "Threads that compute; without it one per processor.")
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "f32, bf16 or int8; without it bf16 where the processor multiplies in it, else f32.", valueName: "name")
  )
  var precision = Precision.preferred

  @Option(
    help: ArgumentHelp(
      "A LoRA to fuse into the model, with its weight; may be given again.", valueName: "file[:weight]"))
  var lora: [LoRAArgument] = []

  @Option(
    help: ArgumentHelp(
      "A VAE in place of the model's own: a folder or a .safetensors file, TAESD among them.",
      valueName: "file|dir"))
  var vae: String?

  mutating func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads) is out of range; use 1 to 1024")
    }
  }

  func compute(profile: WorkProfile? = nil) -> Compute { Compute(threads: threads, profile: profile) }

  /// Says on standard error if instructions of this processor gave wrong numbers and are not used.
  func reportInstructions() {
    guard let failed = ProductInstructions.failed else { return }
    complain(
      "\(failed) gave wrong products here and is not used, \(ProductInstructions.inUse) is; please report this processor"
    )
  }

  func cache() -> ExpertCache { ExpertCache(budget: memoryBudget?.bytes ?? .max, policy: cachePolicy) }

  /// What the process may take.
  var budget: MemoryBudget? { memoryBudget.map { MemoryBudget(bytes: $0.bytes) } }

  /// Loads a model with the VAE and LoRAs of these options.
  func load(_ path: String, cache: ExpertCache) throws -> DiffusionModel {
    let model = try DiffusionModel(
      folder: ModelPath(path).open(), vae: vae, cache: cache,
      loras: lora.map { LoRASetting(path: $0.path, weight: $0.weight) },
      precision: precision)
    model.notices.forEach(complain)
    return model
  }
}

extension Precision: ExpressibleByArgument {}

extension CachePolicy: ExpressibleByArgument {}
/// An embedding's file and the token that stands for it: `FILE` or `FILE:TOKEN`.
struct EmbeddingArgument: ExpressibleByArgument {
  let path: String
  /// Nil: as the file says.
  let token: String?

  /// What follows the last colon is part of the file's name if it holds a slash.
  init?(argument: String) {
    if argument.isEmpty { return nil }
    if let colon = argument.lastIndex(of: ":"), colon != argument.startIndex {
      let token = argument[argument.index(after: colon)...]
      if !token.isEmpty, !token.contains("/") {
        self.path = String(argument[..<colon])
        self.token = String(token)
        return
      }
    }
    path = argument
    token = nil
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
