import ArgumentParser
import CommandLine
import Images

/// The file that a sheet is written to, as options.
struct SheetOutput: ParsableArguments {
  @Option(help: "The PNG file to write.")
  var output: String

  @Flag(help: "Replace the file if it exists.")
  var force = false

  /// The file, checked before work begins.
  /// - Throws: `ImageError`
  func file() throws -> OutputFile { try OutputFile(output, force: force) }

  /// Draws and writes a sheet, and names the pictures that could not be read.
  /// - Returns: what was done, for `--json`.
  /// - Throws: `ImageError`
  func write(_ batch: BatchSheet, to file: OutputFile) throws -> [(String, JSONText)] {
    let page = try batch.sheet.page()
    for problem in page.unreadable { complain("\(problem)") }
    try PNGFile.write(page.image, to: file)
    return [
      ("output", .string(absolutePath(output))),
      ("pictures", .integer(batch.pictures - page.unreadable.count)),
      ("missing", .integer(batch.missing + page.unreadable.count)),
    ]
  }
}
