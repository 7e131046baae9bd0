/// What reading a YAML document may cost.
package struct YAMLLimits: Sendable, Equatable {
  /// The largest file.
  package var bytes: Int
  /// The deepest nesting.
  package var depth: Int
  /// The most nodes, those that aliases repeat counted each time.
  package var nodes: Int

  /// Limits with room for any configuration that a person writes.
  package init(bytes: Int = 1 << 20, depth: Int = 32, nodes: Int = 50_000) {
    self.bytes = bytes
    self.depth = depth
    self.nodes = nodes
  }
}
