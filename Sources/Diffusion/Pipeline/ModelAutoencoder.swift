import Boundary
import Checkpoints

/// The autoencoder that a model uses: its own, or one that replaces it.
struct ModelAutoencoder: Sendable {
  /// Where it is from.
  let path: String
  let config: ConfigObject
  /// Its weights, not yet read.
  let weights: Weights
  /// Appended to the model's digest if its VAE is replaced; otherwise empty.
  let suffix: String

  /// SHA-256 of the VAE that replaces the model's own, in hexadecimal; nil without one.
  let replacementDigest: String?

  /// - Parameters:
  ///   - files: the model's files.
  ///   - replacement: a folder or file to take in place of the model's own.
  /// - Throws: `CheckpointError` for files that are missing, damaged or no VAE.
  init(_ files: any ModelFiles, replacement: String?) throws {
    guard let replacement else {
      config = try files.config(for: "vae")
      weights = try files.weights(for: "vae")
      path = files.path
      suffix = ""
      replacementDigest = nil
      return
    }
    let other = try AutoencoderFiles(
      path: replacement, own: try? files.config(for: "vae"), isXL: files.isXL)
    config = other.config
    weights = other.weights
    path = other.path
    var digest = Digest()
    try other.add(to: &digest)
    let hexadecimal = digest.hexadecimal()
    suffix = "+vae:" + hexadecimal
    replacementDigest = hexadecimal
  }
}
