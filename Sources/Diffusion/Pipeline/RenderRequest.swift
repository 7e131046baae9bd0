/// Everything that decides the pixels of one picture, beside the model.
package struct RenderRequest: Sendable, Equatable {
  package var prompt: String
  package var negativePrompt: String
  /// Pixels.
  package var width: Int
  package var height: Int
  package var steps: Int
  /// Classifier-free guidance; at most 1 means none, and then no unconditional row is computed.
  package var guidance: Float
  /// nil: the model's own.
  package var scheduler: SchedulerName?
  package var seed: UInt64

  package init(
    prompt: String, negativePrompt: String = "", width: Int = 512, height: Int = 512,
    steps: Int = 25, guidance: Float = 7.5, scheduler: SchedulerName? = nil, seed: UInt64 = 0
  ) {
    self.prompt = prompt
    self.negativePrompt = negativePrompt
    self.width = width
    self.height = height
    self.steps = steps
    self.guidance = guidance
    self.scheduler = scheduler
    self.seed = seed
  }

  /// Largest edge in pixels that this engine takes.
  static let largestEdge = 16384

  /// Checks everything that can be checked before numbers are computed.
  /// - Parameter multiple: pixels along an edge of one latent of the model.
  /// - Throws: `DiffusionError.size` or `.setting`.
  func validate(multiple: Int) throws {
    guard width > 0, height > 0, width % multiple == 0, height % multiple == 0 else {
      throw DiffusionError.size(width: width, height: height, multiple: multiple)
    }
    guard width <= Self.largestEdge, height <= Self.largestEdge else {
      throw DiffusionError.setting(
        name: "size", value: "\(width)×\(height)", allowed: "edges up to \(Self.largestEdge)")
    }
    guard guidance.isFinite else {
      throw DiffusionError.setting(name: "guidance", value: "\(guidance)", allowed: "a finite number")
    }
  }
}

/// Where a render is.
package enum RenderProgress: Sendable, Equatable {
  /// Prompts are being encoded.
  case encoding
  /// `step` of `steps` denoising steps are done.
  case denoising(step: Int, steps: Int)
  /// Latents are being decoded to pixels.
  case decoding
}
