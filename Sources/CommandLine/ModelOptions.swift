import ArgumentParser
import CKernels
import Requests

/// The settings that say how a model is loaded, as options.
package struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "f32, bf16 or int8 (default: bf16 if the processor has AVX-512-BF16 or Arm's BF16, else f32).",
      valueName: "name"
    )
  )
  var precision: String?

  @Option(
    help: ArgumentHelp(
      "A LoRA to fuse into the model, and its weight. May be repeated.", valueName: "file[:weight]"))
  var lora: [String] = []

  @Option(
    help: ArgumentHelp(
      "A VAE to use instead of the model's own: a folder or a .safetensors file. TAESD works too.",
      valueName: "file|dir"))
  var vae: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The most memory that rendering may take, such as 4GiB.", valueName: "size"))
  var memoryBudget: String?

  /// Options of which none is given.
  package init() {}

  /// The settings that were given.
  /// - Throws: `RequestError` for the first malformed value.
  package func draft() throws -> RequestDraft {
    var draft = RequestDraft()
    let texts = [("precision", precision), ("vae", vae), ("memory_budget", memoryBudget)]
    for case (let name, let text?) in texts { try draft.read(name, text) }
    if !lora.isEmpty { draft.give("loras", \.loras, lora.map(LoRAReference.init(text:))) }
    return draft
  }
}

extension Precision {
  /// The default precision: bf16 if the processor has AVX-512-BF16 or Arm's BF16 (even if that instruction is not its
  /// fastest way), else f32.
  package static var preferred: Precision {
    segmoe_bf16_is_native() != 0 ? .bf16 : .f32
  }
}

extension RequestDraft {
  /// The request with the program's defaults filled in: the processor's precision, the default strength, random seeds.
  /// A job keeps what was chosen when it was queued, so that it renders the same picture on any daemon.
  package var complete: RenderRequest {
    var request = request
    if !given.contains("precision") { request.precision = .preferred }
    var generator = SystemRandomNumberGenerator()
    drawSeeds(&request) { Self.randomSeed(&generator) }
    if request.initImage != nil { request.strength = request.strength ?? RenderRequest.defaultStrength }
    return request
  }
}
