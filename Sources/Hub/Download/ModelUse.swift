/// What a source is pulled for: it decides which files are taken.
package enum ModelUse: Sendable, Equatable {
  /// To render with.
  case model
  /// To merge: half precision first, as the reference loads it.
  case ingredient
  /// A LoRA.
  case adapter
  /// A VAE in the place of a model's own.
  case autoencoder
}

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
}
