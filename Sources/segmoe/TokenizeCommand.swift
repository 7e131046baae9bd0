import ArgumentParser
import Checkpoints
import Diffusion
import Foundation

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
    let input = FileHandle.standardInput.readDataToEndOfFile()
    var lines = input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    for (index, line) in lines.enumerated() {
      guard let text = String(bytes: line, encoding: .utf8) else {
        throw Problem.badData("standard input, line \(index + 1): not UTF-8; save the prompts as UTF-8")
      }
      print("[\(tokenizer.encode(text).map { String($0) }.joined(separator: ", "))]")
    }
  }
}
