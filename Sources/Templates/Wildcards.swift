import Requests

/// Wildcards: names, and the lines that each stands for. Files are read when a template first names them, and kept.
package struct Wildcards: Sendable {
  /// A line of a wildcard.
  package struct Line: Sendable {
    /// What it says, which may have choices and wildcards of its own.
    package let template: PromptTemplate
    /// The wildcard that it stands in, the first one of several.
    package let name: String
  }

  /// A line as it was read.
  private struct RawLine {
    let name: String
    let place: TemplatePlace
  }

  /// What a name or a pattern stands for.
  package struct Match: Sendable {
    /// The files that fit.
    package let names: [String]
    /// Their lines, sorted, each text once.
    package let lines: [Line]
  }

  /// Where the texts are.
  private enum Source: Sendable {
    case folder(WildcardFolder)
    case texts([String: String])
  }

  private let source: Source
  private let limits: TemplateLimits
  private var names: [String]?
  private var matches: [String: Match] = [:]
  private var bytesRead = 0

  /// The wildcards of a folder.
  /// - Parameters:
  ///   - folder: its absolute path.
  ///   - limits: how large it may be.
  package init(folder: String, limits: TemplateLimits = TemplateLimits()) {
    source = .folder(WildcardFolder(folder, limits: limits))
    self.limits = limits
  }

  /// Wildcards that are in no file.
  /// - Parameters:
  ///   - texts: the lines of each name.
  ///   - limits: how large they may be.
  package init(texts: [String: String] = [:], limits: TemplateLimits = TemplateLimits()) {
    source = .texts(texts)
    self.limits = limits
  }

  /// What a name in a template stands for.
  /// - Parameter reference: the name, with `*`, `?` and `[…]` if several files are meant.
  /// - Throws: `TemplateError`: at the reference if no file fits, else in the file.
  mutating func match(_ reference: PromptTemplate.Reference) throws(TemplateError) -> Match {
    if let known = matches[reference.name] { return known }
    let known = try allNames(reference)
    let pattern = WildcardPattern(reference.name)
    // A file of just that name is meant, even if its name looks like a pattern.
    let found = known.filter { $0 == reference.name }
    let names = found.isEmpty && !pattern.isPlain ? known.filter(pattern.fits) : found
    guard !names.isEmpty else {
      throw TemplateError(
        .unknownWildcard(reference.name, near: Self.near(reference.name, known)),
        at: reference.place.value)
    }
    var texts: [ExactText: RawLine] = [:]
    for name in names { try read(name, into: &texts, reference) }
    guard !texts.isEmpty else {
      throw TemplateError(.emptyWildcard(reference.name), at: reference.place.value)
    }
    var lines: [Line] = []
    let sorted = texts.sorted {
      $0.key.text.unicodeScalars.lexicographicallyPrecedes($1.key.text.unicodeScalars)
    }
    for (text, line) in sorted { lines.append(try Self.line(text.text, line, limits)) }
    let match = Match(names: names, lines: lines)
    matches[reference.name] = match
    return match
  }

  /// All names, sorted.
  private mutating func allNames(_ reference: PromptTemplate.Reference) throws(TemplateError) -> [String] {
    if let names { return names }
    let found: [String]
    switch source {
    case .texts(let texts): found = Array(texts.keys)
    case .folder(let folder):
      do throws(TemplateError) {
        found = try folder.names()
      } catch {
        throw TemplateError(error.fault, at: reference.place.value)
      }
    }
    let sorted = found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    names = sorted
    return sorted
  }

  /// Adds the lines of a file that say something, each at the first place where it stands.
  private mutating func read(
    _ name: String, into texts: inout [ExactText: RawLine], _ reference: PromptTemplate.Reference
  ) throws(TemplateError) {
    let file: String
    var bytes: ArraySlice<UInt8>
    switch source {
    case .texts(let all):
      file = name
      bytes = Array((all[name] ?? "").utf8)[...]
    case .folder(let folder):
      file = "\(folder.path)/\(name).txt"
      do throws(TemplateError) {
        bytes = try folder.bytes(of: name, most: limits.allBytes - bytesRead)[...]
      } catch {
        throw TemplateError(error.fault, at: reference.place.value)
      }
    }
    bytesRead += bytes.count
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
    for (number, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
      guard let whole = String(validating: line, as: UTF8.self), !line.contains(0) else {
        throw TemplateError(.notUTF8, at: TemplatePlace(file: file, line: number + 1))
      }
      let start = whole.prefix(while: \.isWhitespace)
      let text = whole.trimming(while: \.isWhitespace)
      guard !text.isEmpty, !text.hasPrefix("#") else { continue }
      let key = ExactText(String(text))
      if texts[key] == nil {
        texts[key] = RawLine(
          name: name,
          place: TemplatePlace(file: file, line: number + 1, column: start.unicodeScalars.count + 1))
      }
    }
  }

  private static func line(
    _ text: String, _ line: RawLine, _ limits: TemplateLimits
  ) throws(TemplateError) -> Line {
    // dynamicprompts takes weights from YAML and JSON alone, and would pass this on as text.
    guard text.firstMatch(of: #/^[+\-]?(\d|\.\d)[\d.]*\s*::/#) == nil else {
      throw TemplateError(
        .unsupported(
          "a weight of a line", instead: "write {2::a|b} in the template, or \\: for the character"),
        at: line.place)
    }
    return Line(template: try PromptTemplate(text, at: line.place, limits: limits), name: line.name)
  }

  /// The name that was probably meant: the same in another folder, or in other letters.
  private static func near(_ name: String, _ known: [String]) -> String? {
    known.first { $0.hasSuffix("/" + name) } ?? known.first { $0.lowercased() == name.lowercased() }
  }
}
