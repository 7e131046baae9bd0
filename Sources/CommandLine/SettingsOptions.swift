import ArgumentParser
import Requests

/// The settings of a request as options, shared by `segmoe render` and `segmoectl enqueue`.
///
/// `RequestDraft` reads the values, so a mistake gives the same message here and in a line of JSON.
package struct SettingsOptions: ParsableArguments {
  @Option(help: "What the picture should not show. In SDXL, an empty text differs from none.")
  var negativePrompt: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Width in pixels, a multiple of 8 (default: the starting picture's, or the model's).",
      valueName: "pixels"
    ))
  var width: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Height in pixels, a multiple of 8 (default: the starting picture's, or the model's).",
      valueName: "pixels")
  )
  var height: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Denoising steps (default: 25).", valueName: "n"))
  var steps: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How strongly the prompt counts, -1000 to 1000 (default: 7.5). 1 or less turns guidance off.",
      valueName: "scale"
    ))
  var guidance: String?

  @Option(
    help: ArgumentHelp(
      "\(SchedulerName.allCases.map(\.rawValue).joined(separator: ", ")) (default: the model's own).",
      valueName: "name"))
  var scheduler: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Run the deep blocks of the UNet in every n-th call only, as DeepCache (1: in all). A higher branch computes more (0).",
      valueName: "n[:branch]"))
  var deepCache: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Merge this share of the tokens before self attention, 0 to 0.75, as tomesd; down to maps of 1/size (1).",
      valueName: "share[:size]"))
  var tokenMerging: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seed of the first picture's noise, 0 to 2^64-1, or random (-1), another for every prompt (default: 0).",
      valueName: "n"))
  var seed: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seed of a second noise, toward which the first is turned: 0 to 2^64-1, or random (-1) (default: 0).",
      valueName: "n"))
  var variationSeed: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How far the noise is turned, 0 to 1 (0): 0.1 is nearly the same picture. Above 0, --count counts on in variation seeds.",
      valueName: "share"))
  var variationStrength: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How many pictures of each prompt, with seed, seed+1, … (default: 1).", valueName: "n")
  )
  var count: String?

  @OptionGroup package var model: ModelOptions

  @Option(
    help: ArgumentHelp(
      "A learned word (textual inversion), and its token in the prompt. May be repeated.",
      valueName: "file[:token]"))
  var embedding: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How many of the text encoder's last layers to skip (default: 0).", valueName: "n"))
  var clipSkip: String?

  @Flag(help: "Read prompts as plain text: no (weights:1.2), no BREAK, cut at 75 tokens.")
  var plainPrompt = false

  @Option(help: ArgumentHelp("A PNG file to start from, resized to the picture's size.", valueName: "file"))
  var initImage: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How much of the starting picture to replace, above 0 up to 1 (default: 0.8). Only this share of the steps is taken.",
      valueName: "share"))
  var strength: String?

  @Option(
    help: ArgumentHelp(
      "A PNG file. The starting picture is painted anew where it is white.", valueName: "file"))
  var mask: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How far strong guidance gets back its natural contrast, 0 to 1 (0); for v-prediction models 0.7 is usual.",
      valueName: "share"))
  var guidanceRescale: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The share of the steps before guidance begins, 0 to 1 (0). Steps without it take half the time.",
      valueName: "share"))
  var guidanceFrom: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The share of the steps after which guidance ends, 0 to 1 (1).", valueName: "share"))
  var guidanceUntil: String?

  @Option(
    help: ArgumentHelp(
      "How the noise levels are spaced: \(SigmaName.allCases.map(\.rawValue).joined(separator: ", ")) (default: as the model's file says).",
      valueName: "name"))
  var sigmas: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Share of the noise that is drawn anew in each step of ddim and tcd, 0 to 1 (default: 0).",
      valueName: "share"))
  var eta: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The timesteps to visit, noisiest first, such as 999,700,300. Steps are as many as these.",
      valueName: "n,n,…"))
  var timesteps: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The noise levels to visit with euler, highest first, and where to end, such as 14.6,3,0.5,0.",
      valueName: "x,x,…"))
  var sigmaList: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "For SDXL: size of the training picture before scaling (default: the rendered size).", valueName: "WxH")
  )
  var originalSize: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "For SDXL: pixels cropped from the training picture at the left and top (default: 0,0).",
      valueName: "x,y"))
  var crop: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "For SDXL: size of the training picture after cropping (default: the rendered size).", valueName: "WxH")
  )
  var targetSize: String?

  /// Options of which none is given.
  package init() {}

  /// The settings that were given.
  /// - Throws: `RequestError` for the first malformed value.
  package func draft() throws -> RequestDraft {
    var draft = try model.draft()
    for case (let name, let text?) in texts { try draft.read(name, text) }
    giveLists(&draft)
    return draft
  }

  /// The settings that were given, where some may be lists of values: one draft for each combination. Seeds change
  /// first, models last: a daemon renders jobs of one model together.
  /// - Parameters:
  ///   - models: the option that names models; nil: none.
  ///   - seeds: the option that names seeds; nil: `--seed`.
  /// - Throws: `RequestError` for the first malformed value, `Problem.usage` for seeds that are named twice.
  package func grid(models: String?, seeds: String?) throws -> [RequestDraft] {
    guard seeds == nil || seed == nil else {
      throw Problem.usage("--seed and --seeds say the same: give one of them")
    }
    var drafts = [try model.draft()]
    if let models { drafts = try drafts.times("model", models) }
    for case (let name, let text?) in texts where name != "seed" { drafts = try drafts.times(name, text) }
    if let seed { drafts = try drafts.times("seed", seed) }
    if let seeds {
      do {
        drafts = try drafts.times("seed", seeds)
      } catch RequestError.invalid(_, let value, let rule) {
        throw Problem.usage("--seeds is \(value): \(rule)")
      }
    }
    for index in drafts.indices { giveLists(&drafts[index]) }
    return drafts
  }

  /// The settings of one value, as they were typed.
  private var texts: [(String, String?)] {
    [
      ("negative_prompt", negativePrompt), ("width", width), ("height", height), ("steps", steps),
      ("guidance", guidance), ("guidance_rescale", guidanceRescale),
      ("guidance_from", guidanceFrom), ("guidance_until", guidanceUntil), ("scheduler", scheduler),
      ("seed", seed), ("variation_seed", variationSeed), ("variation_strength", variationStrength),
      ("sigmas", sigmas), ("eta", eta), ("timesteps", timesteps), ("sigma_list", sigmaList),
      ("deep_cache", deepCache), ("token_merging", tokenMerging), ("count", count),
      ("clip_skip", clipSkip), ("init_image", initImage), ("strength", strength), ("mask", mask),
      ("original_size", originalSize), ("crop", crop), ("target_size", targetSize),
    ]
  }

  private func giveLists(_ draft: inout RequestDraft) {
    if !embedding.isEmpty {
      draft.give("embeddings", \.embeddings, embedding.map(EmbeddingReference.init(text:)))
    }
    if plainPrompt { draft.give("plain_prompt", \.isPlainPrompt, true) }
  }
}

extension ByteCount: ExpressibleByArgument {
  /// A size on the command line.
  public init?(argument: String) { self.init(text: argument) }
}

extension PixelSize: ExpressibleByArgument {
  /// `512x768`.
  public init?(argument: String) {
    self.init(text: argument)
    guard width > 0, height > 0 else { return nil }
  }
}
