import Requests

/// A request for one picture as the engine takes it: its size is known and its files are read.
@dynamicMemberLookup
package struct PictureRequest: Sendable, Equatable {
  /// What was asked for; its seed is that of this picture.
  package var render: RenderRequest
  /// Pixels.
  package var width: Int
  /// Pixels.
  package var height: Int
  /// Learned words that the prompts may use, read from `render.embeddings`.
  package var words: [TextualInversion] = []
  /// The picture to start from; nil: noise alone.
  package var source: SourcePicture?

  /// A request that needs no files.
  package init(_ render: RenderRequest, width: Int, height: Int) {
    self.render = render
    self.width = width
    self.height = height
  }

  /// A picture from noise, with the defaults of `RenderRequest` for what is left out.
  package init(
    prompt: String, negativePrompt: String? = nil, width: Int = 512, height: Int = 512,
    steps: Int = 25, guidance: Double = 7.5, scheduler: SchedulerName? = nil, seed: UInt64 = 0
  ) {
    var render = RenderRequest(model: "", prompt: prompt)
    render.negativePrompt = negativePrompt
    render.steps = steps
    render.guidance = guidance
    render.scheduler = scheduler
    render.seed = seed
    self.init(render, width: width, height: height)
  }

  /// The settings.
  package subscript<Value>(dynamicMember path: WritableKeyPath<RenderRequest, Value>) -> Value {
    get { render[keyPath: path] }
    set { render[keyPath: path] = newValue }
  }

  /// The request for the picture `index` places after this one, which has a seed of its own.
  package func next(_ index: Int) -> PictureRequest {
    var copy = self
    copy.render.seed &+= UInt64(index)
    return copy
  }

  /// How the prompts are read.
  package var reading: PromptReading {
    get { PromptReading(isPlain: render.isPlainPrompt, clipSkip: render.clipSkip, embeddings: words) }
    set {
      (render.isPlainPrompt, render.clipSkip, words) = (
        newValue.isPlain, newValue.clipSkip, newValue.embeddings
      )
    }
  }

  /// How much of the starting picture is replaced.
  var strength: Double { render.strength ?? RenderRequest.defaultStrength }

  /// Steps that are left out with a starting picture (diffusers' `get_timesteps`).
  var skippedSteps: Int {
    source == nil ? 0 : render.steps - RenderRequest.takenSteps(of: render.steps, strength: strength)
  }

  /// SDXL's six time ids (Podell et al., 2023, section 2.2): original size, crop and target size, rows first.
  var timeIDs: [Float] {
    let size = PixelSize(width: width, height: height)
    let (original, target) = (render.originalSize ?? size, render.targetSize ?? size)
    let crop = render.crop ?? PixelPoint(x: 0, y: 0)
    return [original.height, original.width, crop.y, crop.x, target.height, target.width].map(Float.init)
  }

  /// Checks what only the model knows.
  /// - Parameter multiple: pixels along an edge of one latent of the model.
  /// - Throws: `DiffusionError.size` or `RequestError.invalid`
  func validate(multiple: Int) throws {
    guard width > 0, height > 0, width % multiple == 0, height % multiple == 0 else {
      throw DiffusionError.size(width: width, height: height, multiple: multiple)
    }
    var sized = render
    (sized.width, sized.height) = (width, height)
    // A picture that was made in memory has no path; what depends on one is checked with the source itself.
    sized.initImage = source == nil ? nil : sized.initImage ?? "-"
    sized.model = sized.model.isEmpty ? "-" : sized.model
    try sized.validate()
  }

  /// All that decides the pixels, beside the model: text for the key of what is kept of a render.
  var identity: String {
    var own = render
    // What the files hold counts, not where they are.
    own.model = ""
    own.loras = []
    own.embeddings = []
    own.vae = nil
    own.initImage = nil
    own.mask = nil
    own.count = 1
    own.memoryBudget = nil
    (own.width, own.height) = (width, height)
    let settings = Setting.all.map { "\($0.name)=\(String(reflecting: $0.stored(own)))" }
    let files =
      words.map { String(reflecting: $0) } + (source.map { ["\($0.digest) \($0.maskDigest ?? "-")"] } ?? [])
    return (settings + files).joined(separator: "\n")
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
