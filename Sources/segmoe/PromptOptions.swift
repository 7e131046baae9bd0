import ArgumentParser
import Diffusion

/// How the prompts of a render are read.
struct PromptOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A learned word (textual inversion) and its token in the prompt; may be given again.",
      valueName: "file[:token]"))
  var embedding: [EmbeddingArgument] = []

  @Option(
    help: ArgumentHelp("Leave out so many of the text encoder's last layers for the prompt.", valueName: "n"))
  var clipSkip = 0

  @Flag(help: "Read prompts as plain text: no (weights:1.2), no BREAK, cut at 77 tokens.")
  var plainPrompt = false

  /// - Throws: `CheckpointError` for embeddings that cannot be read.
  func reading() throws -> PromptReading {
    PromptReading(
      isPlain: plainPrompt, clipSkip: clipSkip,
      embeddings: try embedding.map { try TextualInversion(path: $0.path, token: $0.token) })
  }
}
