/// A source that is on this machine now.
package struct PulledModel: Sendable, Equatable {
  /// As it was written, without any token.
  package let source: String
  /// The folder or file.
  package let path: String
  /// The commit, or the version of a site that counts them; nil for a path.
  package let revision: String?
  /// Of all its files.
  package let bytes: Int
  /// Whether nothing had to be fetched.
  package let fromCache: Bool

  package init(source: String, path: String, revision: String?, bytes: Int, fromCache: Bool) {
    self.source = source
    self.path = path
    self.revision = revision
    self.bytes = bytes
    self.fromCache = fromCache
  }
}
