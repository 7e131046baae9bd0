/// Everything that decides the pixels of one picture, beside the model.
package struct RenderRequest: Sendable, Equatable {
  package var prompt: String
  /// nil: none, which for SDXL is not the same as an empty text.
  package var negativePrompt: String?
  /// Pixels.
  package var width: Int
  package var height: Int
  package var steps: Int
  /// Classifier-free guidance; at most 1 means none, and then no unconditional row is computed.
  package var guidance: Float
  /// nil: the model's own.
  package var scheduler: SchedulerName?
  package var seed: UInt64
  /// How the prompts are read.
  package var reading = PromptReading()
  /// What SDXL is told of the picture's size; other models are told nothing.
  package var framing = Framing()
  /// A picture to start from; nil: noise alone.
  package var source: SourcePicture?

  package init(
    prompt: String, negativePrompt: String? = nil, width: Int = 512, height: Int = 512,
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

/// What SDXL is told of how a training picture would have been cut (Podell et al., 2023, section 2.2).
package struct Framing: Sendable, Equatable {
  /// Pixels of the picture before scaling; nil: the size rendered.
  package var originalSize: PixelSize?
  /// Pixels cut away at the left and at the top.
  package var crop = PixelPoint(x: 0, y: 0)
  /// Pixels after cutting; nil: the size rendered.
  package var targetSize: PixelSize?

  package init() {}

  /// SDXL's six time ids.
  func timeIDs(width: Int, height: Int) -> [Float] {
    let size = PixelSize(width: width, height: height)
    let (original, target) = (originalSize ?? size, targetSize ?? size)
    return [original.height, original.width, crop.y, crop.x, target.height, target.width].map(Float.init)
  }
}

/// A size in pixels.
package struct PixelSize: Sendable, Equatable {
  package var width: Int
  package var height: Int

  package init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }
}

/// A place in pixels from the upper left corner.
package struct PixelPoint: Sendable, Equatable {
  package var x: Int
  package var y: Int

  package init(x: Int, y: Int) {
    self.x = x
    self.y = y
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
