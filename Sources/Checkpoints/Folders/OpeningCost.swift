import Foundation

/// The memory that opening a model's files takes beside its weights: headers and configurations are parsed whole, and
/// what LoRAs are made of stays in memory.
package enum OpeningCost {
  /// Bytes of the factors of LoRAs that are larger than any ordinary one's. A file that cannot be read costs nothing:
  /// applying it says why.
  /// - Parameter loras: files, or folders of one.
  package static func ofFactors(_ loras: [String]) -> Int {
    let bytes = loras.reduce(0) { sum, path in
      sum + ((try? LoRAFile(path: LoRAFile.file(of: path)).memory) ?? 0)
    }
    return bytes > ordinaryFactors ? bytes : 0
  }

  /// Bytes that the margin of a memory budget has room for.
  private static let ordinaryFactors = 16 << 20

  /// The bytes beyond what ordinary files take. Ordinary files take little, and a memory budget has a margin for them.
  /// Nothing is parsed for the estimate. A file that cannot be looked at counts 0: opening it will report why.
  /// - Parameter paths: files, and folders of models or of their components.
  package static func beyondOrdinary(_ paths: [String]) -> Int {
    paths.reduce(0) { $0 + cost($1, depth: 2) }
  }

  /// Bytes of a header, or of a vocabulary, that any model may have.
  private static let ordinary = 4 << 20

  /// Bytes of a configuration that any model may have.
  private static let ordinaryConfiguration = 1 << 20

  /// Bytes of memory for a byte of a header: names, shapes and tables, while the text is still there. Measured: 7.
  private static let ofHeader = 8

  /// Bytes of memory for a byte of JSON, which may be an eighth of an object with one member, or half of a list's
  /// number.
  private static let ofJSON = 32

  /// The largest configuration that is read; a larger one is refused.
  private static let largestJSON = 16 << 20

  private static func cost(_ path: String, depth: Int) -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { return 0 }
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      guard depth > 0, let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
        return 0
      }
      return names.reduce(0) { $0 + cost(path + "/" + $1, depth: depth - 1) }
    case S_IFREG:
      if path.hasSuffix(".json") || path.hasSuffix(".txt") {
        let size = Int(status.st_size)
        let isVocabulary = ["/tokenizer.json", "/vocab.json", "/merges.txt"].contains(where: path.hasSuffix)
        return size > largestJSON
          ? 0 : ofJSON * max(0, size - (isVocabulary ? ordinary : ordinaryConfiguration))
      }
      return ofHeader * max(0, headerLength(path) - ordinary)
    default: return 0
    }
  }

  /// Bytes of a safetensors header; 0 for a file of another kind, or one that is refused.
  private static func headerLength(_ path: String) -> Int {
    guard path.hasSuffix(".safetensors") || path.hasSuffix(".sft"),
      let reader = try? FileReader(path: path, purpose: "weights"), reader.size > 8
    else { return 0 }
    var length: UInt64 = 0
    guard (try? withUnsafeMutableBytes(of: &length) { try reader.read(into: $0, at: 0) }) != nil else {
      return 0
    }
    length = UInt64(littleEndian: length)
    return length <= UInt64(min(SafetensorsHeader.largest, reader.size - 8)) ? Int(length) : 0
  }
}
