import Foundation

/// Lines of a file or of standard input, one at a time, checked to be UTF-8. Memory stays flat however long
/// the input is.
package struct LineReader {
  /// A line that is longer is refused: something is wrong with that file.
  static let longestLine = 1 << 20

  /// For messages: the file's path, or "standard input".
  package let name: String

  /// The number of the line that `next` gave last, from 1.
  package private(set) var number = 0

  private let handle: FileHandle
  private var buffer: [UInt8] = []
  private var position = 0
  private var isAtEnd = false

  /// - Parameter path: A file, or "-" for standard input.
  /// - Throws: `Problem.missing`
  package init(path: String) throws {
    if path == "-" {
      name = "standard input"
      handle = .standardInput
      return
    }
    name = path
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
    self.handle = handle
  }

  /// The next line without its end, nil after the last one.
  /// - Throws: `Problem.badInput` naming file and line.
  package mutating func next() throws -> String? {
    guard let bytes = try nextBytes() else { return nil }
    number += 1
    var line = bytes
    if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
    // A byte order mark, as Windows editors write it.
    if number == 1, line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
    guard let text = String(validating: line, as: UTF8.self) else {
      throw Problem.badInput("\(place): not UTF-8; convert the file (iconv -t UTF-8)")
    }
    guard !line.contains(0) else {
      throw Problem.badInput("\(place): holds a zero byte; is it UTF-16? Convert it (iconv -t UTF-8)")
    }
    return text
  }

  /// Where the last line is, for messages.
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
