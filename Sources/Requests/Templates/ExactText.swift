/// Text that is compared byte by byte. Swift takes two spellings of one character for equal, a tokenizer need not.
package struct ExactText: Hashable, Sendable {
  /// The text.
  package let text: String

  /// - Parameter text: any text.
  package init(_ text: String) { self.text = text }

  /// Whether all bytes are the same.
  package static func == (a: ExactText, b: ExactText) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

  /// Takes in every byte.
  package func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
    hasher.combine(0xFF as UInt8)
  }
}
