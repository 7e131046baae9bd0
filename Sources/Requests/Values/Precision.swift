/// The number format of products and convolutions. Sums, normalizations and softmax are in single precision in any
/// case.
package enum Precision: String, CaseIterable, Sendable, Codable {
  /// Single precision everywhere, as in the reference.
  case f32
  /// Weights and inputs are rounded to bfloat16. Weights take half the memory.
  case bf16
  /// Weights and inputs are rounded to 8 bits, with scales. Weights take a quarter of the memory.
  case int8
}

extension Precision: WordForm {}
