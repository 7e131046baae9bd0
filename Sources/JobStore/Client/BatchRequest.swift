/// What is said of a batch as a whole.
package struct BatchRequest: Sendable, Equatable {
  /// A name for people. nil means "batch-" and its number. It may become a folder's name.
  package var name: String?
  /// Idempotency key: enqueueing again with the same key returns the existing batch.
  package var key: String?
  /// The batch after which its jobs may start: its number, its name, or the beginning of its name. nil: at once.
  package var after: String?
  /// How its pictures are named, as `PictureNamePattern` has it. nil: by the numbers of batch, job and picture.
  package var namePattern: String?
  /// Whether all its pictures are rendered in one class of numerics: that of the worker that begins first.
  package var hasOneNumerics: Bool

  /// By default nothing is said.
  package init(
    name: String? = nil, key: String? = nil, after: String? = nil, namePattern: String? = nil,
    hasOneNumerics: Bool = false
  ) {
    self.name = name
    self.key = key
    self.after = after
    self.namePattern = namePattern
    self.hasOneNumerics = hasOneNumerics
  }

  /// - Throws: `JobStoreError.invalidSetting`
  package func validate() throws {
    if let name {
      let isPlain =
        !name.isEmpty && name.utf8.count <= 100 && !name.hasPrefix(".")
        && name.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control && $0 != "/" }
      guard isPlain else {
        throw JobStoreError.invalidSetting(
          name: "name", value: "'\(name.prefix(40))'",
          rule: "use 1 to 100 bytes without '/' and control characters, not starting with a dot")
      }
    }
    if let key {
      guard !key.isEmpty, key.utf8.count <= 200, !key.utf8.contains(0) else {
        throw JobStoreError.invalidSetting(
          name: "key", value: "'\(key.prefix(40))'", rule: "use 1 to 200 bytes")
      }
    }
    if let namePattern { _ = try PictureNamePattern(namePattern) }
  }
}
