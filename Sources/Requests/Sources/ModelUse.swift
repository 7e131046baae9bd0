/// What a source is pulled for: it decides which files are taken.
package enum ModelUse: String, Sendable, Equatable {
  /// To render with.
  case model
  /// To merge: half precision first, as the reference loads it.
  case ingredient
  /// A LoRA.
  case adapter
  /// A VAE in the place of a model's own.
  case autoencoder
}
