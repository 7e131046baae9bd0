import ArgumentParser

/// How rows are printed: in columns, as JSON, or each as a line of chosen members.
struct RowFormat: ParsableArguments {
  @Flag(help: "Print JSON.")
  var json = false

  @Option(
    help: ArgumentHelp(
      """
      Print a line a row with these members of --json: '{id}\\t{state}\\t{images.path}'. {images.0.path} is the first \
      of a list; without a number all stand there, with commas.
      """, valueName: "template"),
    transform: RowTemplate.init)
  var format: RowTemplate?

  func validate() throws {
    guard !json || format == nil else {
      throw ValidationError("--json and --format say the same: give one of them.")
    }
  }

  /// Whether a person reads it.
  var isForPeople: Bool { !json && format == nil }

  /// Checks that rows have what `--format` names.
  /// - Throws: `Problem.usage`
  func check<Row>(_ shape: JSONShape<Row>) throws { try format?.check(shape.fields) }

  /// Prints rows, unless a person reads them.
  /// - Returns: whether they are printed.
  func print<Row>(_ rows: [Row], _ shape: JSONShape<Row>) -> Bool {
    if json {
      Swift.print(JSONText.array(rows.map(shape.json)).text)
    } else if let format {
      for row in rows { Swift.print(format.line(shape.json(row))) }
    }
    return !isForPeople
  }

  /// Prints the one row that there is, unless a person reads it.
  /// - Returns: whether it is printed.
  func print<Row>(_ row: Row, _ shape: JSONShape<Row>) -> Bool {
    if json {
      Swift.print(shape.json(row).text)
    } else if let format {
      Swift.print(format.line(shape.json(row)))
    }
    return !isForPeople
  }
}
