import Checkpoints

extension ConfigObject {
  /// Fails for the first key whose value is not allowed. A key that is absent or null always passes.
  /// - Throws: `CheckpointError.badConfig`, naming file, key and value.
  func refuse(_ rules: [(key: String, allowed: [JSONValue])]) throws {
    for (key, allowed) in rules {
      if let value = self[key], !allowed.contains(value) {
        throw error(key, "\(value) is not supported by this version of segmoe")
      }
    }
  }
}
