/// A value in a YAML document, with its place.
package struct YAMLNode: Sendable, Equatable {
  /// What a node can be.
  package enum Content: Sendable, Equatable {
    /// A single value.
    case scalar(YAMLScalar)
    /// A list.
    case sequence([YAMLNode])
    /// Keys and values in the order of the file.
    case mapping([YAMLEntry])
  }

  /// Where the node begins. For a repeated node, where its alias is.
  package let position: YAMLPosition
  /// What the node is.
  package let content: Content

  /// A node at a place.
  package init(position: YAMLPosition, content: Content) {
    self.position = position
    self.content = content
  }

  /// What this is, for a person: "text 'sd'", "a list".
  package var found: String {
    switch content {
    case .scalar(let scalar): scalar.found
    case .sequence: "a list"
    case .mapping: "keys and values"
    }
  }

  /// Whether this is an empty value, `~` or `null`.
  package var isNull: Bool {
    if case .scalar(let scalar) = content { return scalar.value == .null }
    return false
  }
}

/// A key and its value in a mapping.
package struct YAMLEntry: Sendable, Equatable {
  /// The key's text.
  package let key: String
  /// Where the key is.
  package let position: YAMLPosition
  /// The value.
  package let value: YAMLNode

  /// A key at a place and its value.
  package init(key: String, position: YAMLPosition, value: YAMLNode) {
    self.key = key
    self.position = position
    self.value = value
  }
}

/// A place in a YAML file.
package struct YAMLPosition: Sendable, Hashable, CustomStringConvertible {
  /// The file's path as it was given.
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
