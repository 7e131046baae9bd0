import ArgumentParser
import Foundation
import JobStore

extension SchedulerName: ExpressibleByArgument {}
extension RenderPrecision: ExpressibleByArgument {}

/// The settings of `segmoe render`, as far as a queued job has them.
struct SettingsOptions: ParsableArguments {
  @Option(help: ArgumentHelp("A model the daemon knows, a folder, or a .safetensors file.", valueName: "name|dir"))
  var model: String?

  @Option(help: "What should not be in the picture.")
  var negativePrompt: String?

  @Option(help: "Pixels, a multiple of 8 (512).")
  var width: Int?

  @Option(help: "Pixels, a multiple of 8 (512).")
  var height: Int?

  @Option(help: "Denoising steps (25).")
  var steps: Int?

  @Option(help: "Guidance scale (7.5).")
  var guidance: Double?

  @Option(help: "Scheduler; without it the model's own.")
  var scheduler: SchedulerName?

  @Option(help: "Seed of the first image of each prompt (0).")
  var seed: Int64?

  @Option(help: "Images of each prompt, with the seeds seed, seed+1, … (1).")
  var count: Int?

  @Option(help: "Arithmetic (f32).")
  var precision: RenderPrecision?

  @Option(help: ArgumentHelp("A LoRA to apply; may come several times.", valueName: "file[:weight]"))
  var lora: [String] = []

  @Option(help: "A picture to start from.")
  var initImage: String?

  @Option(help: "0 to 1: how much of --init-image is replaced (0.8).")
  var strength: Double?

  @Option(help: "A picture whose white parts are painted anew; needs --init-image.")
  var mask: String?

  @Option(help: ArgumentHelp("Memory for cached experts, e.g. 4GiB; without it the daemon's.", valueName: "size"))
  var memoryBudget: String?

  /// These options as overrides.
  /// - Throws: `Problem`
  func overrides() throws -> SettingsOverrides {
    var overrides = SettingsOverrides()
    overrides.model = model
    overrides.negativePrompt = negativePrompt
    overrides.width = width
    overrides.height = height
    overrides.steps = steps
    overrides.guidance = guidance
    overrides.scheduler = scheduler
    overrides.seed = seed
    overrides.count = count
    overrides.precision = precision
    overrides.loras = lora.isEmpty ? nil : lora.map(LoRAReference.init(argument:))
    overrides.initImage = initImage
    overrides.strength = strength
    overrides.mask = mask
    overrides.memoryBudget = try memoryBudget.map(bytes(fromSize:))
    return overrides
  }
}

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
  var initImage: String?
  var strength: Double?
  var mask: String?
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
    result.initImage = initImage ?? others.initImage
    result.strength = strength ?? others.strength
    result.mask = mask ?? others.mask
    result.memoryBudget = memoryBudget ?? others.memoryBudget
    result.priority = priority ?? others.priority
    return result
  }

  /// Complete settings: defaults where nothing was given, paths made absolute, files checked to be there.
  /// - Throws: `Problem`, `JobStoreError.invalidSetting`
  func settings() throws -> RenderSettings {
    guard let model else { throw Problem.usage("no model: name one with --model") }
    var settings = RenderSettings(model: try resolvedModel(model))
    settings.negativePrompt = negativePrompt ?? settings.negativePrompt
    settings.width = width ?? settings.width
    settings.height = height ?? settings.height
    settings.steps = steps ?? settings.steps
    settings.guidance = guidance ?? settings.guidance
    settings.scheduler = scheduler
    settings.seed = seed ?? settings.seed
    settings.count = count ?? settings.count
    settings.precision = precision ?? settings.precision
    settings.loras = try (loras ?? []).map {
      LoRAReference(path: try existing($0.path, "LoRA"), weight: $0.weight)
    }
    settings.initImage = try initImage.map { try existing($0, "initial image") }
    settings.strength = strength ?? (initImage == nil ? nil : 0.8)
    settings.mask = try mask.map { try existing($0, "mask") }
    settings.memoryBudget = memoryBudget
    try settings.validate()
    return settings
  }

  /// A path becomes absolute. A word without a slash is a name that the daemon may know, unless a model lies
  /// under it right here.
  private func resolvedModel(_ model: String) throws -> String {
    if model.contains("/") { return try existing(model, "model") }
    let path = absolutePath(model)
    let file = model.hasSuffix(".safetensors") ? path : path + "/model_index.json"
    return FileManager.default.fileExists(atPath: file) ? path : model
  }

  private func existing(_ file: String, _ what: String) throws -> String {
    let path = absolutePath(file)
    guard FileManager.default.fileExists(atPath: path) else {
      throw Problem.missing("\(what) \(path) is not there: check the path")
    }
    return path
  }
}

extension LoRAReference {
  /// FILE or FILE:WEIGHT. A colon that no number follows belongs to the file's name.
  init(argument: String) {
    if let colon = argument.lastIndex(of: ":"), let weight = Double(argument[argument.index(after: colon)...]) {
      self.init(path: String(argument[..<colon]), weight: weight)
    } else {
      self.init(path: argument)
    }
  }
}

/// "4GiB", "512M", "1000000": bytes. K, M, G and T are powers of 1024, as in every other size here.
/// - Throws: `Problem.usage`
func bytes(fromSize text: String) throws -> Int64 {
  let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
  let powers = ["": 0, "K": 1, "M": 2, "G": 3, "T": 4]
  var unit = text.dropFirst(digits.count).uppercased()
  for ending in ["IB", "B"] where unit.hasSuffix(ending) {
    unit.removeLast(ending.count)
    break
  }
  guard let number = Double(digits), let power = powers[unit] else {
    throw Problem.usage("size '\(text)' is not a number with K, M, G or T: write e.g. 4GiB")
  }
  let bytes = (0..<power).reduce(number) { value, _ in value * 1024 }
  guard bytes >= 1, bytes < 1e18 else { throw Problem.usage("size '\(text)' is out of range") }
  return Int64(bytes)
}
