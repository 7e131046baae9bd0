import CPNGShim

/// Texts in one block of memory, with the pointers that libpng needs.
struct TextChunks {
  private struct Entry {
    let keyword: Int
    let text: Int
    let length: Int
    let isUTF8: Bool
  }

  private var entries: [Entry] = []
  private var storage: [UInt8] = []

  /// Checks every keyword and text.
  init(_ texts: [PNGText]) throws(ImageError) {
    for text in texts {
      try text.checkText()
      let keyword = append(try text.keywordBytes())
      let (bytes, isUTF8) =
        switch text.chunk() {
        case .latin1(let bytes): (bytes, false)
        case .utf8(let bytes): (bytes, true)
        }
      entries.append(Entry(keyword: keyword, text: append(bytes), length: bytes.count, isUTF8: isUTF8))
    }
  }

  /// Calls `body` with entries, which are valid until it returns.
  func withEntries<Outcome>(_ body: (UnsafeBufferPointer<png_shim_text>) -> Outcome) -> Outcome {
    storage.withUnsafeBytes { bytes in
      func pointer(_ offset: Int) -> UnsafePointer<CChar>? {
        bytes.baseAddress.map { ($0 + offset).assumingMemoryBound(to: CChar.self) }
      }
      let texts = entries.map { entry in
        png_shim_text(
          keyword: pointer(entry.keyword), text: pointer(entry.text), length: entry.length,
          is_utf8: entry.isUTF8 ? 1 : 0)
      }
      return texts.withUnsafeBufferPointer(body)
    }
  }

  private mutating func append(_ bytes: [UInt8]) -> Int {
    defer {
      storage += bytes
      storage.append(0)
    }
    return storage.count
  }
}
