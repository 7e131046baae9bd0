/// Everything that decides a picture: what to render, with which model, and how.
///
/// This is the one statement of a request. The command lines, the queue's columns, lines of JSON, the text inside a
/// PNG file and the engine all read and write it through `Setting.all`.
package struct RenderRequest: Sendable, Equatable {
  /// A name that the daemon knows, or the path of a folder or `.safetensors` file.
  package var model = ""
  /// May be empty (an unconditional picture).
  package var prompt = ""
  /// What the picture should not show. nil: nothing was said, which for SDXL is not the same as an empty text.
  package var negativePrompt: String?
  /// Pixels. nil: the starting picture's own width, or the width that the model was trained for.
  package var width: Int?
  /// Pixels. nil: as for `width`.
  package var height: Int?
  /// Denoising steps.
  package var steps = 25
  /// Classifier-free guidance (Ho and Salimans, 2022). At most 1 means none.
  package var guidance = 7.5
  /// 0 to 1: how far the guided noise gets back the spread of the noise that the prompt alone asks for (diffusers'
  /// `guidance_rescale`; Lin et al., 2023, section 3.4). 0: not at all.
  package var guidanceRescale = 0.0
  /// The sampling method. nil: the model's own.
  package var scheduler: SchedulerName?
  /// Of the first picture's noise. The other pictures have the next ones.
  package var seed: UInt64 = 0
  /// Pictures of this prompt.
  package var count = 1
  /// What the networks compute in.
  package var precision = Precision.f32
  /// Fused into the model's weights, in order.
  package var loras: [LoRAReference] = []
  /// Learned words that the prompts may use.
  package var embeddings: [EmbeddingReference] = []
  /// How many of the text encoder's last layers are left out for the prompt.
  package var clipSkip = 0
  /// Whether prompts are plain text: no weights, no `BREAK`, cut at 77 tokens.
  package var isPlainPrompt = false
  /// Path of a VAE, a folder or `.safetensors` file. nil: the model's own.
  package var vae: String?
  /// Path of a picture to start from. nil: start from noise.
  package var initImage: String?
  /// Above 0, up to 1: how much of the starting picture is replaced. nil: `defaultStrength`.
  package var strength: Double?
  /// Path of a picture whose white parts are painted anew.
  package var mask: String?
  /// For SDXL: pixels of a training picture before scaling. nil: the size rendered.
  package var originalSize: PixelSize?
  /// For SDXL: pixels cut away at the left and at the top. nil: none.
  package var crop: PixelPoint?
  /// For SDXL: pixels after cutting. nil: the size rendered.
  package var targetSize: PixelSize?
  /// What the process may take in all while it renders. nil: the program's own budget.
  package var memoryBudget: ByteCount?

  /// What `strength` is with a starting picture if nobody says (diffusers' img2img pipelines).
  package static let defaultStrength = 0.8

  /// The defaults, with no model yet.
  package init() {}

  /// The defaults with a model and a prompt.
  package init(model: String, prompt: String = "") {
    self.model = model
    self.prompt = prompt
  }
}
