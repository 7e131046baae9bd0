/// Files that are not what their name says: what Git LFS leaves in a large file's place, the page that a site shows to
/// whoever is not signed in, an archive, a picture. They are told by their first bytes.
enum MistakenFile {
  private static let lfsPointer = Array("version https://git-lfs.github.com/spec/".utf8)
  private static let headSize = 160

  /// First bytes, and what a file is that has them. Letters count as small ones.
  private static let kinds: [(start: [UInt8], what: String)] =
    [
      ("<!doctype", "a web page (HTML)"), ("<html", "a web page (HTML)"), ("<?xml", "an XML text"),
      ("7z\u{BC}\u{AF}", "a 7z archive"), ("rar!", "a RAR archive"), ("%pdf", "a PDF document"),
      ("\u{7F}elf", "a program"), ("\u{89}png", "a PNG picture"), ("\u{FF}\u{D8}\u{FF}", "a JPEG picture"),
      ("\u{1F}\u{8B}\u{08}", "a gzip archive"),
    ].map { start, what in (start.unicodeScalars.map { UInt8($0.value) }, what) }

  /// Refuses a file of tensors that is something else.
  /// - Throws: `lfsPointer`, `pickled`, `mistaken`; what reading throws.
  static func refuse(_ reader: FileReader) throws {
    let head = try head(reader)
    // The length of a header of safetensors may begin with any bytes.
    if head.count > 8, head[8] == UInt8(ascii: "{"), head[7] == 0 { return }
    if PickledFile.isPickled(head) { throw CheckpointError.pickled(path: reader.path) }
    try refuse(head, path: reader.path)
    if head.allSatisfy({ $0 == 0 }), head.count > 8 {
      throw CheckpointError.mistaken(path: reader.path, what: "a download that was not finished (zeros)")
    }
    if head.count > 8, head.allSatisfy({ (0x20..<0x7f).contains($0) || (9...13).contains($0) }) {
      throw CheckpointError.mistaken(path: reader.path, what: "a text")
    }
  }

  /// Refuses a text, such as a configuration, that is something else.
  /// - Throws: `lfsPointer`, `mistaken`.
  static func refuse(text: [UInt8], path: String) throws {
    try refuse(Array(text.prefix(headSize)), path: path)
  }

  private static func refuse(_ head: [UInt8], path: String) throws {
    if head.starts(with: lfsPointer) { throw CheckpointError.lfsPointer(path: path) }
    if head.starts(with: Array("PK\u{3}\u{4}".utf8)) {
      throw CheckpointError.mistaken(path: path, what: "a ZIP archive")
    }
    let marks = head.drop { (9...13).contains($0) || $0 == 0x20 }.map {
      (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0
    }
    if let kind = kinds.first(where: { marks.starts(with: $0.start) }) {
      throw CheckpointError.mistaken(path: path, what: kind.what)
    }
  }

  private static func head(_ reader: FileReader) throws -> [UInt8] {
    let size = min(reader.size, headSize)
    var head = [UInt8](repeating: 0, count: size)
    try head.withUnsafeMutableBytes { try reader.read(into: $0, at: 0) }
    return head
  }
}
