/// The version of segmoe.
package enum Version {
  /// As `segmoe --version` prints it and pictures name it.
  package static let current = "0.1.0"
}
