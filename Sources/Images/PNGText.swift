/// A text in a PNG file.
package struct PNGText: Sendable, Equatable {
  /// The kind of text, such as `parameters`: 1 to 79 Latin-1 characters.
  package let keyword: String
  /// The text. Line breaks are "\n".
  package let text: String

  /// A text under a keyword. Encoding checks whether PNG can store them.
  package init(keyword: String, text: String) {
    self.keyword = keyword
    self.text = text
  }

  /// The chunk for a text: `tEXt`, which all readers know, if every character is in Latin-1, otherwise `iTXt`.
  enum Chunk: Equatable {
    case latin1([UInt8])
    case utf8([UInt8])
  }

  func chunk() -> Chunk {
    if let bytes = PNGText.latin1(text) { return .latin1(bytes) }
    return .utf8(Array(text.utf8))
  }

  /// The keyword's bytes, or an error that says why PNG forbids it.
  func keywordBytes() throws(ImageError) -> [UInt8] {
    func refuse(_ reason: String) -> ImageError { .badText(keyword: keyword, reason: reason) }
    guard let bytes = PNGText.latin1(keyword), !bytes.contains(0x0A) else {
      throw refuse("a PNG keyword has printable Latin-1 characters only")
    }
    guard (1...79).contains(bytes.count) else {
      throw refuse("a PNG keyword has 1 to 79 characters, this one \(bytes.count)")
    }
    guard bytes.first != 0x20, bytes.last != 0x20, !bytes.contains(0xA0), !keyword.contains("  ") else {
      throw refuse("a PNG keyword neither begins nor ends with a space, nor has two in a row")
    }
    return bytes
  }

  /// Refuses a zero character, because it would end the text for every reader written in C.
  func checkText() throws(ImageError) {
    if text.utf8.contains(0) {
      throw .badText(keyword: keyword, reason: "it has a zero character: remove it")
    }
  }

  /// The text's Latin-1 bytes; nil if it has characters that `tEXt` cannot store.
  private static func latin1(_ text: String) -> [UInt8]? {
    var bytes = [UInt8]()
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x0A, 0x20...0x7E, 0xA0...0xFF: bytes.append(UInt8(scalar.value))
      default: return nil
      }
    }
    return bytes
  }
}
