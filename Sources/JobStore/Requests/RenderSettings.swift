/// The schedulers a request may name; the same words as on the command line of `segmoe render`.
package enum SchedulerName: String, CaseIterable, Sendable, Codable {
  case ddpm, ddim, pndm, lms, heun, euler
  case eulerAncestral = "euler_a"
  case dpmpp2m = "dpmpp_2m"
  case dpmpp2mKarras = "dpmpp_2m_karras"
  case dpmpp2mSDEKarras = "dpmpp_2m_sde_karras"
  case unipc, lcm
}

/// The arithmetic a request asks for.
package enum RenderPrecision: String, CaseIterable, Sendable, Codable {
  case f32, bf16, int8
}

/// A LoRA file to apply, and how strongly.
package struct LoRAReference: Sendable, Codable, Equatable {
  /// Absolute path of a safetensors file.
  package var path: String
  /// 1 is the strength it was trained at.
  package var weight: Double

  package init(path: String, weight: Double = 1) {
    self.path = path
    self.weight = weight
  }
}

/// A file of a learned word (textual inversion).
package struct EmbeddingReference: Sendable, Codable, Equatable {
  /// Absolute path of a safetensors file.
  package var path: String
  /// What stands for it in a prompt; nil: as the file says.
  package var token: String?

  package init(path: String, token: String? = nil) {
    self.path = path
    self.token = token
  }
}

/// How to render, everything but the prompt. The defaults are those of `segmoe render`.
package struct RenderSettings: Sendable, Equatable {
  /// A model registered with the daemon, or the absolute path of a folder or `.safetensors` file.
  package var model: String
  package var negativePrompt = ""
  /// Pixels, a multiple of 8.
  package var width = 512
  /// Pixels, a multiple of 8.
  package var height = 512
  package var steps = 25
  package var guidance = 7.5
  /// Nil: the model's own.
  package var scheduler: SchedulerName?
  /// Of the first image; the others have the next ones.
  package var seed: Int64 = 0
  /// Images of this prompt.
  package var count = 1
  package var precision = RenderPrecision.f32
  package var loras: [LoRAReference] = []
  package var embeddings: [EmbeddingReference] = []
  /// Whether prompts are plain text: no weights, no `BREAK`, cut at 77 tokens.
  package var isPlainPrompt = false
  /// How many of the text encoder's last layers are left out.
  package var clipSkip = 0
  /// Absolute path of a VAE, a folder or `.safetensors` file; nil: the model's own.
  package var vae: String?
  /// Absolute path of a picture to start from.
  package var initImage: String?
  /// 0…1, how much of the initial picture is replaced. Needs `initImage`.
  package var strength: Double?
  /// Absolute path of a picture whose white parts are painted anew. Needs `initImage`.
  package var mask: String?
  /// For SDXL alone.
  package var framing = FramingSettings()
  /// What the daemon may take in all while it renders, in bytes; nil: its own budget.
  package var memoryBudget: Int64?

  /// Default settings for a model.
  package init(model: String) {
    self.model = model
  }
}

/// One prompt to render: what a job is made of.
package struct JobRequest: Sendable, Equatable {
  /// May be empty (an unconditional picture).
  package var prompt: String
  package var settings: RenderSettings
  /// Higher goes first.
  package var priority = 0
  /// Not before this time, in milliseconds since 1970; nil: at once.
  package var runAfter: Int64?
  /// Attempts before a failing job is given up, 1 or more.
  package var maxAttempts = 3

  /// A request with the default priority, to be rendered as soon as possible.
  package init(prompt: String, settings: RenderSettings) {
    self.prompt = prompt
    self.settings = settings
  }
}
