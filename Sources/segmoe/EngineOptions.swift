import ArgumentParser
import Checkpoints
import CommandLine
import Diffusion
import Hub
import Foundation
import Requests
import Tensors
import WeightCache

/// Options of every command that computes.
struct EngineOptions: ParsableArguments {
  @Option(
    name: .customLong("cache-policy"),
    help: ArgumentHelp(
      "Which weights are evicted first if memory is short.", valueName: "name"))
  var cachePolicy = CachePolicy.nextUse

  @Option(help: "Computing threads (default: one per processor).")
  var threads: Int?

  mutating func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads) is out of range; use 1 to 1024")
    }
  }

  func compute(profile: WorkProfile? = nil) -> Compute { Compute(threads: threads, profile: profile) }

  /// Warns on standard error if the processor's instructions gave wrong numbers and are not used.
  func reportInstructions() {
    if let warning = ProductInstructions.failureWarning { complain(warning) }
  }

  /// The owner of this process's memory. If the request has no budget, the budget is what the machine has left.
  func governor(_ request: RenderRequest) -> MemoryGovernor {
    MemoryGovernor(
      budget: MemoryBudget.chosen(given: request.memoryBudget?.bytes), policy: cachePolicy)
  }

  /// Hashes of files that were loaded before; nil if there is no place for them.
  private static var digests: DigestMemory? {
    (try? HubSettings()).map { DigestMemory(folder: $0.ownCache + "/digests") }
  }

  /// Loads the model of a request with its VAE and LoRAs.
  func load(_ request: RenderRequest, _ governor: MemoryGovernor) throws -> DiffusionModel {
    try governor.prepareToOpen(
      [request.model] + [request.vae].compactMap { $0 } + request.loras.map(\.path)
        + request.embeddings.map(\.path), loras: request.loras.map(\.path))
    let model = try MemoryRefusal.check {
      try DiffusionModel(
        folder: ModelPath(request.model).open(), vae: request.vae, cache: governor.cache,
        loras: request.loras, precision: request.precision, digests: Self.digests)
    }
    model.notices.forEach(complain)
    return model
  }
}

extension MemoryGovernor {
  /// A line that names the budget, if none was given.
  var notice: String? { budget.flatMap { $0.source == .machine ? "memory budget \($0)" : nil } }
}

extension ModelOptions {
  /// A request for a model, without a prompt.
  func request(model: String) throws -> RenderRequest {
    var draft = try draft()
    try draft.read("model", model)
    return draft.complete
  }
}

extension CachePolicy: ExpressibleByArgument {}
