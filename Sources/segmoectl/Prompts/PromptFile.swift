import CommandLine

/// A file of prompts, or standard input, in whichever format it is.
struct PromptFile {
  /// For messages: the file's path, or "standard input".
  let name: String
  private var reader: any PromptReader

  /// How much of a file tells its format.
  private static let sample = 1 << 16

  /// - Parameters:
  ///   - path: "-" for standard input.
  ///   - format: how it is written; `.auto`: its content tells.
  ///   - hasTemplates: whether prompts may begin with a brace.
  /// - Throws: `Problem.missing`, `.badInput`
  init(path: String, format: PromptFormat, hasTemplates: Bool) throws {
    var lines = try LineReader(path: path)
    name = lines.name
    let found =
      format == .auto
      ? PromptFormat(start: try lines.peek(Self.sample), name: lines.name, hasTemplates: hasTemplates)
      : format
    reader =
      switch found {
      case .auto, .lines: LinePrompts(lines, isStrict: false, hasTemplates: hasTemplates)
      case .jsonl: LinePrompts(lines, isStrict: true, hasTemplates: hasTemplates)
      case .json: JSONPrompts(try Self.text(&lines), name: name)
      case .yaml: try YAMLPrompts(try Self.text(&lines), name: name)
      case .csv: try TablePrompts(lines, separator: nil)
      case .tsv: try TablePrompts(lines, separator: "\t")
      }
  }

  private static func text(_ lines: inout LineReader) throws -> [UInt8] {
    let bytes = try lines.rest()
    guard String(validating: bytes, as: UTF8.self) != nil else {
      let line = bytes[..<wrongByte(bytes)].filter { $0 == UInt8(ascii: "\n") }.count + 1
      throw Problem.badInput("\(lines.name):\(line): not UTF-8; convert the file (iconv -t UTF-8)")
    }
    return bytes
  }

  /// The place of the first byte that is no UTF-8.
  private static func wrongByte(_ bytes: [UInt8]) -> Int {
    var decoder = UTF8()
    var source = bytes.makeIterator()
    var read = 0
    while case .scalarValue(let scalar) = decoder.decode(&source) { read += UTF8.width(scalar) }
    return min(read, bytes.count)
  }

  /// The next prompt, nil after the last.
  /// - Throws: `Problem.badInput` naming file, line and column.
  mutating func next() throws -> FoundPrompt? { try reader.next() }
}
