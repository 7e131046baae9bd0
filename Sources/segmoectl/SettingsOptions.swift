import ArgumentParser
import CKernels
import Foundation
import JobStore

extension SchedulerName: ExpressibleByArgument {}
extension PixelDimensions: ExpressibleByArgument {}
extension PixelOffset: ExpressibleByArgument {}

extension RenderPrecision: ExpressibleByArgument {
  /// What a job is rendered in if nobody says: decided when it is queued, as its seed is, so that it is
  /// the same job whoever takes it up.
  static var preferred: RenderPrecision {
    segmoe_bf16_is_native() != 0 ? .bf16 : .f32
  }
}

/// The settings of `segmoe render`, as far as a queued job has them.
struct SettingsOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("A model the daemon knows, a folder, or a .safetensors file.", valueName: "name|dir"))
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

  @Option(help: "Arithmetic (bf16 where this processor multiplies in it, else f32).")
  var precision: RenderPrecision?

  @Option(help: ArgumentHelp("A LoRA to apply; may come several times.", valueName: "file[:weight]"))
  var lora: [String] = []

  @Option(
    help: ArgumentHelp(
      "A learned word (textual inversion) and its token in the prompt; may come several times.",
      valueName: "file[:token]"))
  var embedding: [String] = []

  @Option(
    help: ArgumentHelp(
      "Leave out so many of the text encoder's last layers for the prompt (0).", valueName: "n"))
  var clipSkip: Int?

  @Flag(help: "Read prompts as plain text: no (weights:1.2), no BREAK, cut at 77 tokens.")
  var plainPrompt = false
  @Option(help: ArgumentHelp("A VAE in place of the model's own.", valueName: "file|dir"))
  var vae: String?

  @Option(help: "A picture to start from.")
  var initImage: String?

  @Option(help: "0 to 1: how much of --init-image is replaced (0.8).")
  var strength: Double?

  @Option(help: "A picture whose white parts are painted anew; needs --init-image.")
  var mask: String?

  @Option(
    help: ArgumentHelp("For SDXL: size before scaling; without it the size rendered.", valueName: "WxH"))
  var originalSize: PixelDimensions?

  @Option(help: ArgumentHelp("For SDXL: pixels cut away at the left and at the top (0,0).", valueName: "x,y"))
  var crop: PixelOffset?

  @Option(help: ArgumentHelp("For SDXL: size after cutting; without it the size rendered.", valueName: "WxH"))
  var targetSize: PixelDimensions?

  @Option(
    help: ArgumentHelp(
      "Memory that rendering may take in all, e.g. 4GiB; at most, and without it, the daemon's.",
      valueName: "size"))
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
    overrides.embeddings = embedding.isEmpty ? nil : embedding.map(EmbeddingReference.init(argument:))
    overrides.clipSkip = clipSkip
    overrides.isPlainPrompt = plainPrompt ? true : nil
    overrides.vae = vae
    overrides.initImage = initImage
    overrides.strength = strength
    overrides.mask = mask
    overrides.originalSize = originalSize
    overrides.crop = crop
    overrides.targetSize = targetSize
    overrides.memoryBudget = try memoryBudget.map(bytes(fromSize:))
    return overrides
  }
}

extension LoRAReference {
  /// FILE or FILE:WEIGHT. A colon that no number follows belongs to the file's name.
  init(argument: String) {
    if let colon = argument.lastIndex(of: ":"), let weight = Double(argument[argument.index(after: colon)...])
    {
      self.init(path: String(argument[..<colon]), weight: weight)
    } else {
      self.init(path: argument)
    }
  }
}

extension EmbeddingReference {
  /// FILE or FILE:TOKEN. What follows the last colon is part of the file's name if it holds a slash.
  init(argument: String) {
    if let colon = argument.lastIndex(of: ":"), colon != argument.startIndex {
      let token = argument[argument.index(after: colon)...]
      if !token.isEmpty, !token.contains("/") {
        self.init(path: String(argument[..<colon]), token: String(token))
        return
      }
    }
    self.init(path: argument)
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
