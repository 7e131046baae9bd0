import ArgumentParser
import CKernels
import Requests

/// The settings that say how a model is loaded, as options.
package struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "f32, bf16 or int8; without it bf16 where this processor multiplies in it, else f32.", valueName: "name"
    )
  )
  var precision: String?

  @Option(
    help: ArgumentHelp(
      "A LoRA to fuse into the model, with its weight; may be given again.", valueName: "file[:weight]"))
  var lora: [String] = []

  @Option(
    help: ArgumentHelp(
      "A VAE in place of the model's own: a folder or a .safetensors file, TAESD among them.",
      valueName: "file|dir"))
  var vae: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Memory that rendering may take in all, such as 4GiB.", valueName: "size"))
  var memoryBudget: String?

  /// Nothing given.
  package init() {}

  /// What was given.
  /// - Throws: `RequestError` for the first value that is none.
  package func draft() throws -> RequestDraft {
    var draft = RequestDraft()
    let texts = [("precision", precision), ("vae", vae), ("memory_budget", memoryBudget)]
    for case (let name, let text?) in texts { try draft.read(name, text) }
    if !lora.isEmpty { draft.give("loras", \.loras, lora.map(LoRAReference.init(text:))) }
    return draft
  }
}

extension Precision {
  /// What to use where nobody asks for another: bf16 where the processor multiplies in it (whether or not that is the
  /// faster way to do it), else f32.
  package static var preferred: Precision {
    segmoe_bf16_is_native() != 0 ? .bf16 : .f32
  }
}

extension RequestDraft {
  /// The request with what it leaves to the program: the processor's own precision, the default strength. A job keeps what was chosen when it was queued,
  /// as it keeps its seed, so that it is the same job whoever takes it up.
  package var complete: RenderRequest {
    var request = request
    if !given.contains("precision") { request.precision = .preferred }
    if request.initImage != nil { request.strength = request.strength ?? RenderRequest.defaultStrength }
    return request
  }
}
