/// The arithmetic of products and convolutions. Whatever it is, sums, normalizations and softmax are in single
/// precision.
package enum Precision: String, CaseIterable, Sendable, Codable {
  /// Single precision throughout: the reference's pictures.
  case f32
  /// Weights and what they are multiplied with are rounded to bfloat16: half the memory.
  case bf16
  /// Both are rounded to 8 bits with scales of their own: a quarter of the memory.
  case int8
}

extension Precision: WordForm {}
