/// Reads the header of a GGUF file from front to back: little-endian numbers, and texts.
struct GGUFCursor {
  private let reader: FileReader
  private(set) var place = 0
  private var buffer: [UInt8] = []
  private var bufferStart = 0

  init(_ reader: FileReader) { self.reader = reader }

  func fault(_ reason: String) -> CheckpointError {
    .malformed(path: reader.path, reason: "byte \(place): \(reason)")
  }

  /// The next bytes.
  /// - Throws: `malformed` at the end of the file.
  mutating func bytes(_ count: Int) throws -> ArraySlice<UInt8> {
    guard count >= 0, count <= reader.size - place else { throw fault("cut short") }
    if place < bufferStart || place + count > bufferStart + buffer.count {
      let size = min(max(count, 1 << 16), reader.size - place)
      buffer = try [UInt8](unsafeUninitializedCapacity: size) { bytes, filled in
        try reader.read(
          into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[..<size]),
          at: place)
        filled = size
      }
      bufferStart = place
    }
    defer { place += count }
    return buffer[(place - bufferStart)..<(place - bufferStart + count)]
  }

  /// Skips bytes that are not needed.
  mutating func skip(_ count: Int) throws {
    guard count >= 0, count <= reader.size - place else { throw fault("cut short") }
    place += count
  }

  mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) throws -> Integer {
    try bytes(Integer.bitWidth / 8).reversed().reduce(0) { $0 << 8 | Integer(truncatingIfNeeded: $1) }
  }

  /// Reads a count of things that take at least `least` bytes each. A count that the file cannot hold is refused.
  mutating func count(least: Int) throws -> Int {
    let value = try integer(UInt64.self)
    guard value <= UInt64((reader.size - place) / least) else {
      throw fault("\(value) entries in so short a file")
    }
    return Int(value)
  }

  /// A text of at most `limit` bytes.
  mutating func string(limit: Int) throws -> String {
    let count = try count(least: 1)
    guard count <= limit else { throw fault("a name of \(count) bytes") }
    guard let text = String(validating: try bytes(count), as: UTF8.self) else {
      throw fault("a text that is not UTF-8")
    }
    return text
  }
}
