/// Everything that decides a picture: what to render, with which model, and how.
///
/// This is the one statement of a request. The command lines, the queue's columns, lines of JSON, the text inside a
/// PNG file and the engine all read and write it through `Setting.all`.
package struct RenderRequest: Sendable, Equatable {
  /// A name that the daemon knows, or the path of a folder or `.safetensors` file.
  package var model = ""
  /// What the picture shows. It may be empty, for an unconditional picture.
  package var prompt = ""
  /// What the picture should not show. nil means no negative prompt, which in SDXL differs from an empty one.
  package var negativePrompt: String?
  /// Pixels. nil: the starting picture's own width, or the width that the model was trained for.
  package var width: Int?
  /// Pixels. nil: the starting picture's own height, or the height that the model was trained for.
  package var height: Int?
  /// Denoising steps.
  package var steps = 25
  /// Classifier-free guidance (Ho and Salimans, 2022). At most 1 means none.
  package var guidance = 7.5
  /// 0 to 1: how far the guided noise gets back the spread of the noise that the prompt alone asks for (diffusers'
  /// `guidance_rescale`; Lin et al., 2023, section 3.4). 0: not at all.
  package var guidanceRescale = 0.0
  /// 0 to 1: the share of the steps after which guidance begins (Kynkäänniemi et al., 2024). 0: at once.
  package var guidanceFrom = 0.0
  /// 0 to 1: the share of the steps after which guidance ends (diffusers' `SDCFGCutoffCallback`). 1: never.
  package var guidanceUntil = 1.0
  /// The sampling method. nil: the model's own.
  package var scheduler: SchedulerName?
  /// How the noise levels are spaced. nil: as the model's scheduler file says.
  package var sigmas: SigmaName?
  /// 0 to 1: how much of the noise that a step removes is drawn anew (`ddim`, `tcd`). nil: none.
  package var eta: Double?
  /// The training timesteps to visit, noisiest first, in the place of evenly spaced ones.
  package var timesteps: NumberList<Int>?
  /// The noise levels to visit, highest first, and the one after the last.
  package var sigmaList: NumberList<Double>?
  /// The deep blocks of the UNet run in some calls only (Ma et al., 2024). nil: in all.
  package var deepCache: DeepCache?
  /// Tokens that are alike are merged before self attention (Bolya and Hoffman, 2023). nil: none.
  package var tokenMerging: TokenMerging?
  /// Seed of the first picture's noise. The next pictures have the next seeds, unless `variationStrength` is above 0.
  package var seed: UInt64 = 0
  /// Seed of the noise that the first noise is turned toward (AUTOMATIC1111's `subseed`). With a strength above 0 the
  /// next pictures have the next of these, and the same seed.
  package var variationSeed: UInt64 = 0
  /// 0 to 1: how far the first noise is turned (AUTOMATIC1111's `subseed_strength`). 0: not at all.
  package var variationStrength = 0.0
  /// How many pictures of this prompt.
  package var count = 1
  /// Precision of the networks.
  package var precision = Precision.f32
  /// Fused into the model's weights, in order.
  package var loras: [LoRAReference] = []
  /// Learned words that the prompts may use.
  package var embeddings: [EmbeddingReference] = []
  /// How many of the text encoder's last layers are skipped.
  package var clipSkip = 0
  /// Whether prompts are plain text: no weights, no `BREAK`, cut at 75 tokens.
  package var isPlainPrompt = false
  /// Path of a VAE, a folder or `.safetensors` file. nil: the model's own.
  package var vae: String?
  /// Path of a picture to start from. nil: start from noise.
  package var initImage: String?
  /// Above 0, up to 1: how much of the starting picture is replaced. nil: `defaultStrength`.
  package var strength: Double?
  /// Path of a mask: the starting picture is painted anew where the mask is white.
  package var mask: String?
  /// For SDXL: the size of the training picture before scaling, in pixels. nil: the rendered size.
  package var originalSize: PixelSize?
  /// For SDXL: how much of the training picture was cropped at the left and at the top, in pixels. nil: nothing.
  package var crop: PixelPoint?
  /// For SDXL: the size of the training picture after cropping, in pixels. nil: the rendered size.
  package var targetSize: PixelSize?
  /// The most memory that the process may take while it renders. nil: the program's own budget.
  package var memoryBudget: ByteCount?

  /// The request for the picture `index` places after this one. Only a seed differs (AUTOMATIC1111's `all_seeds` and
  /// `all_subseeds`).
  package func picture(_ index: Int) -> RenderRequest {
    var picture = self
    if variationStrength == 0 {
      picture.seed &+= UInt64(index)
    } else {
      picture.variationSeed &+= UInt64(index)
    }
    return picture
  }

  /// The default of `strength` with a starting picture (diffusers' img2img pipelines).
  package static let defaultStrength = 0.8

  /// The defaults, with no model yet.
  package init() {}

  /// The defaults with a model and a prompt.
  package init(model: String, prompt: String = "") {
    self.model = model
    self.prompt = prompt
  }
}
