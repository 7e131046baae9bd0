/// The version of segmoe that this is.
package enum Version {
  /// As in `segmoe --version` and in the metadata of pictures.
  package static let current = "0.1.0"
}
