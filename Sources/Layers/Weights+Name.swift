import Checkpoints

extension Weights {
  /// The scope's path without the closing dot, for messages and keys.
  package var name: String { String(prefix.dropLast(prefix.hasSuffix(".") ? 1 : 0)) }
}
