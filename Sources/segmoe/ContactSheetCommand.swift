import ArgumentParser
import Images

/// Puts pictures side by side on one page.
struct ContactSheetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "contact-sheet", abstract: "Put PNG files side by side on one page.")

  @Argument(help: "The PNG file to write.")
  var output: String

  @Argument(help: "The pictures, in order.")
  var pictures: [String]

  @Option(help: "Columns; without it about as many as rows.")
  var columns: Int?

  mutating func validate() throws {
    if let columns, columns < 1 {
      throw ValidationError("--columns \(columns) is out of range; use 1 or more")
    }
  }

  func run() throws {
    let images = try pictures.map { try PNGFile.read($0).image }
    try PNGFile.write(ContactSheet(columns: columns).page(of: images), to: output)
  }
}
