import ArgumentParser
import Requests

/// The settings of a request as options, the same for `segmoe render` and `segmoectl enqueue`.
///
/// Values are read by `RequestDraft`, so that a mistake gets the same words here, in a line of JSON and in a table.
package struct SettingsOptions: ParsableArguments {
  @Option(help: "What the picture should not show. For SDXL an empty text is not the same as none.")
  var negativePrompt: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Pixels, a multiple of 8; without it the starting picture's width, or the model's.", valueName: "pixels"
    ))
  var width: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Pixels, a multiple of 8; without it the starting picture's height, or the model's.",
      valueName: "pixels")
  )
  var height: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Denoising steps (25).", valueName: "n"))
  var steps: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How strongly the prompt counts, -1000 to 1000 (7.5); 1 or less turns guidance off.", valueName: "scale"
    ))
  var guidance: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How far strong guidance gets back its natural contrast, 0 to 1 (0); for v-prediction models 0.7 is usual.",
      valueName: "share"))
  var guidanceRescale: String?

  @Option(
    help: ArgumentHelp(
      "\(SchedulerName.allCases.map(\.rawValue).joined(separator: ", ")); without it the model's own.",
      valueName: "name"))
  var scheduler: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Seed of the first picture's noise, 0 to 2^64-1 (0).", valueName: "n"))
  var seed: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Pictures of each prompt, with seed, seed+1, … (1).", valueName: "n"))
  var count: String?

  @OptionGroup package var model: ModelOptions

  @Option(
    help: ArgumentHelp(
      "A learned word (textual inversion) and its token in the prompt; may be given again.",
      valueName: "file[:token]"))
  var embedding: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Leave out so many of the text encoder's last layers for the prompt (0).", valueName: "n"))
  var clipSkip: String?

  @Flag(help: "Read prompts as plain text: no (weights:1.2), no BREAK, cut at 77 tokens.")
  var plainPrompt = false

  @Option(help: ArgumentHelp("A PNG file to start from, resized to the picture's size.", valueName: "file"))
  var initImage: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How much of the starting picture is replaced, above 0 to 1: so much of the steps is taken (0.8).",
      valueName: "share"))
  var strength: String?

  @Option(
    help: ArgumentHelp(
      "A PNG file whose white parts of the starting picture are painted anew.", valueName: "file"))
  var mask: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("For SDXL: size before scaling; without it the size rendered.", valueName: "WxH"))
  var originalSize: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("For SDXL: pixels cut away at the left and at the top (0,0).", valueName: "x,y"))
  var crop: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("For SDXL: size after cutting; without it the size rendered.", valueName: "WxH"))
  var targetSize: String?

  /// Nothing given.
  package init() {}

  /// What was given.
  /// - Throws: `RequestError` for the first value that is none.
  package func draft() throws -> RequestDraft {
    var draft = try model.draft()
    let texts: [(String, String?)] = [
      ("negative_prompt", negativePrompt), ("width", width), ("height", height), ("steps", steps),
      ("guidance", guidance), ("guidance_rescale", guidanceRescale), ("scheduler", scheduler), ("seed", seed),
      ("count", count),
      ("clip_skip", clipSkip), ("init_image", initImage), ("strength", strength), ("mask", mask),
      ("original_size", originalSize), ("crop", crop), ("target_size", targetSize),
    ]
    for case (let name, let text?) in texts { try draft.read(name, text) }
    if !embedding.isEmpty {
      draft.give("embeddings", \.embeddings, embedding.map(EmbeddingReference.init(text:)))
    }
    if plainPrompt { draft.give("plain_prompt", \.isPlainPrompt, true) }
    return draft
  }
}
