import ArgumentParser
import Boundary
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

  /// Draws and writes a sheet, names the pictures that could not be read, and says where it is.
  /// - Parameters:
  ///   - sheet: with a finished picture at least.
  ///   - batch: its number.
  ///   - file: checked before.
  ///   - isJSON: whether that is said as JSON.
  /// - Throws: `ImageError`
  func write(_ sheet: BatchSheet, of batch: Int64, to file: OutputFile, isJSON: Bool) throws {
    for problem in sheet.problems { complain(problem.message) }
    let page = try sheet.sheet.page()
    for problem in page.unreadable { complain("\(problem)") }
    try PNGFile.write(page.image, to: file)
    let path = absolutePath(output)
    guard isJSON else { return print(PlainText.line(path)) }
    print(
      JSONText.object([
        ("batch", .integer(batch)), ("output", .string(path)),
        ("pictures", .integer(sheet.pictures - page.unreadable.count)),
        ("missing", .integer(sheet.missing + page.unreadable.count)),
      ]).text)
  }
}
