import ArgumentParser
import CommandLine
import JobStore

/// `segmoectl sheet`
struct Sheet: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put a batch's pictures on one page, labelled by the settings in which they differ.",
    discussion: """
      With --rows and --columns, each value of a setting has a row or a column with its own head; pictures that have the \
      same place lie below each other. The place of a picture that is not there says why. The page has letters of ASCII: \
      accents are left out, and other scripts are boxes.
      """)

  @OptionGroup var location: Location

  @Argument(help: "The batch: its number or name.")
  var batch: BatchReference

  @OptionGroup var output: SheetOutput

  @Option(help: ArgumentHelp("A row for each value of this setting, such as prompt.", valueName: "setting"))
  var rows: String?

  @Option(help: ArgumentHelp("A column for each value of this setting, such as model.", valueName: "setting"))
  var columns: String?

  @OptionGroup var sharedOption: SharedOption

  @OptionGroup var format: Format

  func run() throws {
    let rows = try rows.map { try SettingLabel.setting($0, of: "rows") }
    let columns = try columns.map { try SettingLabel.setting($0, of: "columns") }
    guard rows == nil || rows?.name != columns?.name else {
      throw Problem.usage("--rows and --columns are the same setting: give two, or leave one out")
    }
    let file = try output.file()
    let store = try location.open(for: .reading)
    let number = try batch.number(in: store)
    let sheet = try BatchSheet(
      batch: number, in: store, rows: rows, columns: columns,
      files: try sharedOption.pictures(of: location.place))
    guard sheet.pictures > 0 else {
      if let problem = sheet.problems.first { throw problem }
      throw Problem.badInput(
        "batch \(number) has no finished picture; `segmoectl list --batch \(number)` says what its jobs do")
    }
    try output.write(sheet, of: number, to: file, isJSON: format.json)
  }
}
