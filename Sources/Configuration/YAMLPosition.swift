/// Where something stands in a YAML file.
package struct YAMLPosition: Sendable, Hashable, CustomStringConvertible {
  /// The file as the person named it.
  package let file: String
  /// The line, from 1.
  package let line: Int
  /// The column, from 1, counted in characters as an editor shows them.
  package let column: Int

  /// A place in a file.
  package init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  /// "config.yaml:3:5", which editors and terminals make a link of.
  package var description: String { "\(file):\(line):\(column)" }
}
