import Boundary

/// How the pictures of a batch are named: a path below the output folder with fields in braces, such as
/// `{batch}/{job}-{index}-{seed}`.
///
/// Whatever a prompt, a batch's name or a row says, what comes out stays below the output folder: relative, of few parts,
/// each of limited length, without `..`, hidden files and control characters.
package struct PictureNamePattern: Sendable, Equatable {
  /// What may be in braces.
  package enum Field: String, CaseIterable, Sendable {
    case batch, job, index, seed, model, prompt, width, height, steps, guidance, scheduler, date
    case batchID = "batch_id"
  }

  private enum Piece: Equatable {
    case text(String)
    case field(Field)
  }

  /// Folders and the file, in order.
  private let parts: [[Piece]]

  /// UTF-8 bytes of a pattern.
  package static let longest = 500
  /// Folders below each other, and the file.
  package static let mostParts = 8
  /// UTF-8 bytes of a file's or folder's name, with room for a number, `.png` and what a file system adds.
  private static let partBytes = 200
  /// UTF-8 bytes of all parts.
  private static let wholeBytes = 1000

  /// Reads a pattern. An ending `.png` is no part of it: every picture has it.
  /// - Throws: `JobStoreError.invalidSetting`
  package init(_ text: String) throws {
    func refuse(_ rule: String) -> JobStoreError {
      .invalidSetting(name: "name pattern", value: "'\(text.prefix(80))'", rule: rule)
    }
    guard text.utf8.count <= Self.longest else { throw refuse("it may have \(Self.longest) bytes") }
    let isPlain = text.unicodeScalars.allSatisfy { !Self.isUnfit($0) || $0 == "/" }
    guard isPlain else { throw refuse("control characters and backslashes are not allowed in file names") }
    guard !text.isAbsolutePath else {
      throw refuse("it is a path below the output folder: leave out the first '/'")
    }
    let body = text.hasSuffix(".png") ? text.dropLast(4) : text[...]
    let parts = body.pathNames
    guard parts.count <= Self.mostParts else { throw refuse("it may have \(Self.mostParts) parts") }
    self.parts = try parts.map { part in
      guard !part.isEmpty else { throw refuse("a part of the path is empty") }
      guard !part.hasPrefix(".") else { throw refuse("no part may begin with a dot") }
      do throws(PieceError) {
        return try Self.pieces(part)
      } catch {
        throw refuse(error.rule)
      }
    }
  }

  private struct PieceError: Error {
    let rule: String
  }

  private static func pieces(_ part: Substring) throws(PieceError) -> [Piece] {
    var pieces: [Piece] = []
    var rest = part
    while let brace = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
      if brace > rest.startIndex { pieces.append(.text(String(rest[..<brace]))) }
      let inside = rest[rest.index(after: brace)...]
      guard rest[brace] == "{", let end = inside.firstIndex(of: "}") else {
        throw PieceError(rule: "braces come in pairs, as in {seed}")
      }
      let name = String(inside[..<end])
      guard let field = Field(rawValue: name) else {
        let advice = Nearest.advice(name, among: Field.allCases.map(\.rawValue))
        throw PieceError(rule: "there is no field {\(name.prefix(40))}; \(advice)")
      }
      pieces.append(.field(field))
      rest = inside[inside.index(after: end)...]
    }
    if !rest.isEmpty { pieces.append(.text(String(rest))) }
    return pieces
  }

  /// The path below the output folder, without the ending.
  /// - Parameter value: the text of a field, which may be anything.
  package func stem(_ value: (Field) -> String) -> String {
    let bytes = min(Self.partBytes, Self.wholeBytes / max(1, parts.count))
    return parts.map { pieces in
      let text = pieces.map { piece in
        switch piece {
        case .text(let text): text
        case .field(let field): value(field)
        }
      }.joined()
      return Self.safe(text, bytes: bytes)
    }.joined(separator: "/")
  }

  /// A text as the name of one file or folder.
  private static func safe(_ text: String, bytes: Int) -> String {
    var name = ""
    var size = 0
    // A text of a gigabyte is not looked through.
    for character in text.prefix(4 * bytes) {
      let isFit = !character.unicodeScalars.contains(where: isUnfit)
      if name.isEmpty, character == "." || character.isWhitespace { continue }
      let next = isFit ? String(character) : "-"
      size += next.utf8.count
      guard size <= bytes else { break }
      name += next
    }
    while name.last?.isWhitespace == true { name.removeLast() }
    return name.isEmpty ? "_" : name
  }

  /// A prompt as a part of a file's name: lower-case letters and digits with dashes between the words.
  package static func slug(_ text: String) -> String {
    var slug = ""
    for character in text.prefix(200).lowercased() {
      if character.isLetter || character.isNumber {
        slug.append(character)
      } else if !slug.isEmpty, slug.last != "-" {
        slug.append("-")
      }
      if slug.utf8.count >= slugBytes { break }
    }
    while slug.last == "-" { slug.removeLast() }
    return slug.isEmpty ? "untitled" : slug
  }

  /// About how many UTF-8 bytes of a prompt a name has.
  private static let slugBytes = 60

  /// Whether a scalar has no place in a file's name.
  private static func isUnfit(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
    default: scalar == "/" || scalar == "\\"
    }
  }
}
