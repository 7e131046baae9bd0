/// How ggml numbers the types of tensors (`ggml.h`).
enum GGMLType {
  private static let known: [UInt32: StoredType] = [
    0: .float32, 1: .float16, 2: .q4x0, 3: .q4x1, 6: .q5x0, 7: .q5x1, 8: .q8x0, 10: .q2K, 11: .q3K, 12: .q4K,
    13: .q5K, 14: .q6K, 24: .int8, 25: .int16, 26: .int32, 27: .int64, 28: .float64, 30: .bfloat16,
  ]

  private static let others: [UInt32: String] = [
    9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
    22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
  ]

  /// The type with a number; nil for a type that cannot be unpacked.
  static func stored(_ number: UInt32) -> StoredType? { known[number] }

  /// ggml's name of a type, for messages.
  static func name(_ number: UInt32) -> String {
    known[number]?.rawValue ?? others[number] ?? "number \(number) of ggml"
  }
}
