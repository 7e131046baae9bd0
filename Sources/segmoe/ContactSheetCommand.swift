import ArgumentParser
import CommandLine
import Glibc
import Images

/// Puts pictures side by side on one page.
struct ContactSheetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "contact-sheet", abstract: "Put PNG files side by side on one page.")

  @Option(help: "The PNG file to write.")
  var output: String?

  @Flag(help: "Replace the file if it exists.")
  var force = false

  @Argument(help: "The pictures, in order.")
  var pictures: [String]

  @Option(help: "Number of columns (default: about as many as rows).")
  var columns: Int?

  mutating func validate() throws {
    if let columns, columns < 1 {
      throw ValidationError("--columns \(columns) is out of range; use 1 or more")
    }
  }

  func run() throws {
    var pictures = pictures
    let file: OutputFile
    if let output {
      file = try OutputFile(output, force: force)
    } else {
      // Before 0.2 the file to write came first. An existing picture is never overwritten as if it were that file.
      let first = pictures.removeFirst()
      guard access(first, F_OK) != 0, !pictures.isEmpty else {
        throw Problem.usage("--output FILE is missing: the page needs a file of its own")
      }
      file = try OutputFile(first, force: false)
    }
    let images = try pictures.map { try PNGFile.readPixels($0) }
    try PNGFile.write(ContactSheet(columns: columns).page(of: images), to: file)
  }
}
