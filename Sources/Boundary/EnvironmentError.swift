/// A variable of the environment that says something wrong.
package struct EnvironmentError: Error, Equatable, CustomStringConvertible {
  /// The variable's name.
  package let name: String
  /// What it holds.
  package let value: String
  /// What it may be.
  package let rule: String

  /// - Parameters:
  ///   - name: the variable's name.
  ///   - value: what it holds.
  ///   - rule: what it may be.
  package init(name: String, value: String, rule: String) {
    self.name = name
    self.value = value
    self.rule = rule
  }

  package var description: String { "$\(name) cannot be '\(value)': \(rule)" }
}
