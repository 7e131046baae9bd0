import JobStore

/// Settings that were given, on the command line or in a line of JSON.
struct SettingsOverrides {
  var model: String?
  var negativePrompt: String?
  var width: Int?
  var height: Int?
  var steps: Int?
  var guidance: Double?
  var scheduler: SchedulerName?
  var seed: Int64?
  var count: Int?
  var precision: RenderPrecision?
  var loras: [LoRAReference]?
  var embeddings: [EmbeddingReference]?
  var clipSkip: Int?
  var isPlainPrompt: Bool?
  var vae: String?
  var initImage: String?
  var strength: Double?
  var mask: String?
  var originalSize: PixelDimensions?
  var crop: PixelOffset?
  var targetSize: PixelDimensions?
  var memoryBudget: Int64?
  var priority: Int?

  /// These where given, else `others`.
  func over(_ others: SettingsOverrides) -> SettingsOverrides {
    var result = others
    result.model = model ?? others.model
    result.negativePrompt = negativePrompt ?? others.negativePrompt
    result.width = width ?? others.width
    result.height = height ?? others.height
    result.steps = steps ?? others.steps
    result.guidance = guidance ?? others.guidance
    result.scheduler = scheduler ?? others.scheduler
    result.seed = seed ?? others.seed
    result.count = count ?? others.count
    result.precision = precision ?? others.precision
    result.loras = loras ?? others.loras
    result.embeddings = embeddings ?? others.embeddings
    result.clipSkip = clipSkip ?? others.clipSkip
    result.isPlainPrompt = isPlainPrompt ?? others.isPlainPrompt
    result.vae = vae ?? others.vae
    result.initImage = initImage ?? others.initImage
    result.strength = strength ?? others.strength
    result.mask = mask ?? others.mask
    result.originalSize = originalSize ?? others.originalSize
    result.crop = crop ?? others.crop
    result.targetSize = targetSize ?? others.targetSize
    result.memoryBudget = memoryBudget ?? others.memoryBudget
    result.priority = priority ?? others.priority
    return result
  }

  /// Complete settings, not validated yet: defaults where nothing was given, paths made absolute, files
  /// checked to be there.
  /// - Throws: `Problem`
  func settings(_ paths: inout PathResolver) throws -> RenderSettings {
    guard let model else { throw Problem.usage("no model: name one with --model") }
    var settings = RenderSettings(model: try paths.model(model))
    settings.negativePrompt = negativePrompt ?? settings.negativePrompt
    settings.width = width ?? settings.width
    settings.height = height ?? settings.height
    settings.steps = steps ?? settings.steps
    settings.guidance = guidance ?? settings.guidance
    settings.scheduler = scheduler
    settings.seed = seed ?? settings.seed
    settings.count = count ?? settings.count
    settings.precision = precision ?? .preferred
    settings.loras = try (loras ?? []).map {
      LoRAReference(path: try paths.existing($0.path, "LoRA"), weight: $0.weight)
    }
    settings.embeddings = try (embeddings ?? []).map {
      EmbeddingReference(path: try paths.existing($0.path, "embedding"), token: $0.token)
    }
    settings.clipSkip = clipSkip ?? settings.clipSkip
    settings.isPlainPrompt = isPlainPrompt ?? settings.isPlainPrompt
    settings.vae = try vae.map { try paths.existing($0, "VAE") }
    settings.initImage = try initImage.map { try paths.existing($0, "initial image") }
    settings.strength = strength ?? (initImage == nil ? nil : 0.8)
    settings.mask = try mask.map { try paths.existing($0, "mask") }
    settings.framing.originalSize = originalSize
    settings.framing.crop = crop
    settings.framing.targetSize = targetSize
    settings.memoryBudget = memoryBudget
    return settings
  }
}
