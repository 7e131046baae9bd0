import ArgumentParser
import Checkpoints
import CommandLine
import Diffusion

/// Prints the tokens of prompts.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Read prompts, one per line, and print their token ids as JSON arrays, one per line.")

  @Argument(help: "A model folder or a .safetensors file.")
  var model: String

  @Flag(help: "Has no effect: the output always is JSON.")
  var json = false

  func run() throws {
    let tokenizer = try CLIPTokenizer(ModelPath(model).open().tokenizer("tokenizer"))
    var lines = try LineReader(path: "-")
    while let line = try lines.next() {
      print("[\(tokenizer.encode(line).map { String($0) }.joined(separator: ", "))]")
    }
  }
}
