import Foundation

/// Lines of a file or of standard input, one at a time, checked to be UTF-8. Memory stays flat however long
/// the input is. A file in UTF-16 with its mark, as spreadsheets write it, is read as a whole.
package struct LineReader {
  /// The longest line. A longer one is refused.
  package static let longestLine = 1 << 20

  /// What is read as a whole may have so many bytes.
  package static let mostBytes = 256 << 20

  /// The file's path, or "standard input", for messages.
  package let name: String

  /// The number of the line that `next` gave last, from 1.
  package private(set) var number = 0

  private let handle: FileHandle
  private var buffer: [UInt8] = []
  private var position = 0
  private var isAtEnd = false

  /// - Parameter path: A file, or "-" for standard input.
  /// - Throws: `Problem.missing`, `Problem.badInput` for UTF-16 that is none.
  package init(path: String) throws {
    if path == "-" {
      name = "standard input"
      handle = .standardInput
    } else {
      name = path
      handle = try Self.open(path)
    }
    try readMark()
  }

  private static func open(_ path: String) throws -> FileHandle {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw Problem.missing("\(path): no such file; check the path")
    }
    guard !isFolder.boolValue else {
      throw Problem.missing("\(path): is a folder; name a file with one prompt a line")
    }
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw Problem.missing("\(path): can't be read; check its permissions")
    }
    return handle
  }

  /// Passes over a byte order mark, as Windows' editors write it, and turns UTF-16 into UTF-8.
  private mutating func readMark() throws {
    while buffer.count < 3, !isAtEnd { try fill() }
    if buffer.starts(with: [0xEF, 0xBB, 0xBF]) {
      position = 3
      return
    }
    let isLittle = buffer.starts(with: [0xFF, 0xFE])
    guard isLittle || buffer.starts(with: [0xFE, 0xFF]) else { return }
    let bytes = try rest().dropFirst(2)
    let units = stride(from: bytes.startIndex, to: bytes.endIndex - 1, by: 2).map { place in
      let (low, high) = isLittle ? (bytes[place], bytes[place + 1]) : (bytes[place + 1], bytes[place])
      return UInt16(high) << 8 | UInt16(low)
    }
    guard bytes.count % 2 == 0, let text = String(validating: units, as: UTF16.self) else {
      throw Problem.badInput("\(name): begins as UTF-16 and is none; convert the file (iconv -t UTF-8)")
    }
    (buffer, position, isAtEnd) = (Array(text.utf8), 0, true)
  }

  /// What comes next, without passing over it; what is not UTF-8 is replaced.
  /// - Parameter count: bytes; less if the input ends.
  package mutating func peek(_ count: Int) throws -> String {
    while buffer.count - position < count, !isAtEnd { try fill() }
    return String(decoding: buffer[position...].prefix(count), as: UTF8.self)
  }

  /// The next line, without passing over it.
  package mutating func peekLine() throws -> String {
    let start = try peek(Self.longestLine)
    return start.prefix { !$0.isNewline }.description
  }

  /// Everything that is left.
  /// - Throws: `Problem.badInput` if that is too much.
  package mutating func rest() throws -> [UInt8] {
    while !isAtEnd {
      guard buffer.count - position <= Self.mostBytes else {
        throw Problem.badInput(
          "\(name): larger than \(Self.mostBytes >> 20) MiB; split it, or write JSON Lines, which may be of any length"
        )
      }
      try fill()
    }
    defer { position = buffer.count }
    return Array(buffer[position...])
  }

  /// The next line without its end, nil after the last one.
  /// - Throws: `Problem.badInput` naming file and line.
  package mutating func next() throws -> String? {
    guard let bytes = try nextBytes() else { return nil }
    number += 1
    var line = bytes
    if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
    guard let text = String(validating: line, as: UTF8.self) else {
      throw Problem.badInput("\(place): not UTF-8; convert the file (iconv -t UTF-8)")
    }
    guard !line.contains(0) else {
      throw Problem.badInput("\(place): holds a zero byte; is it UTF-16? Convert it (iconv -t UTF-8)")
    }
    return text
  }

  /// The file and the number of the last line, for messages.
  package var place: String { "\(name):\(number)" }

  private mutating func nextBytes() throws -> ArraySlice<UInt8>? {
    var searched = position
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { position = end + 1 }
        return buffer[position..<end]
      }
      if isAtEnd {
        guard position < buffer.count else { return nil }
        defer { position = buffer.count }
        return buffer[position...]
      }
      guard buffer.count - position <= Self.longestLine else {
        throw Problem.badInput("\(name):\(number + 1): longer than 1 MiB; write one prompt a line")
      }
      buffer.removeSubrange(..<position)
      position = 0
      searched = buffer.count
      try fill()
    }
  }

  private mutating func fill() throws {
    do {
      guard let chunk = try handle.read(upToCount: 1 << 16), !chunk.isEmpty else {
        isAtEnd = true
        return
      }
      buffer.append(contentsOf: chunk)
    } catch {
      throw Problem.missing("\(name): can't be read: \(error.localizedDescription)")
    }
  }
}
