import Requests

/// A request for one picture, ready for the engine: its size is known and its files are read.
@dynamicMemberLookup
package struct PictureRequest: Sendable, Equatable {
  /// The request, with the seed of this picture.
  package var render: RenderRequest
  /// Pixels.
  package var width: Int
  /// Pixels.
  package var height: Int
  /// Learned words that the prompts may use, read from `render.embeddings`.
  package var words: [TextualInversion] = []
  /// The picture to start from; nil to start from noise.
  package var source: SourcePicture?

  /// A request that needs no files.
  package init(_ render: RenderRequest, width: Int, height: Int) {
    self.render = render
    self.width = width
    self.height = height
  }

  /// A request for a picture from noise, with the defaults of `RenderRequest`.
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

  /// The request for the picture `index` places after this one. Only a seed differs.
  package func next(_ index: Int) -> PictureRequest {
    var copy = self
    copy.render = render.picture(index)
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

  /// How much of the starting picture is replaced, 0…1.
  var strength: Double { render.strength ?? RenderRequest.defaultStrength }

  /// Steps that are skipped with a starting picture (diffusers' `get_timesteps`).
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

  /// Checks the request against the model.
  /// - Parameter multiple: pixels per latent along an edge.
  /// - Throws: `DiffusionError.size` or `RequestError.invalid`
  func validate(multiple: Int) throws {
    guard width > 0, height > 0, width % multiple == 0, height % multiple == 0 else {
      throw DiffusionError.size(width: width, height: height, multiple: multiple)
    }
    var sized = render
    (sized.width, sized.height) = (width, height)
    // A starting picture made in memory has no path, so any path stands for it here.
    sized.initImage = source == nil ? nil : sized.initImage ?? "-"
    sized.model = sized.model.isEmpty ? "-" : sized.model
    try sized.validate()
  }

  /// A text of everything besides the model that decides the pixels. It is part of the key of a resume state.
  var identity: String {
    var own = render
    // The contents of files count, not their paths.
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

/// How far a render is.
package enum RenderProgress: Sendable, Equatable {
  /// Prompts are being encoded.
  case encoding
  /// `step` of `steps` denoising steps are done.
  case denoising(step: Int, steps: Int)
  /// Latents are being decoded to pixels, in tiles with this edge in latents; nil: in one piece.
  case decoding(tile: Int?)
}
