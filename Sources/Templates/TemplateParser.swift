import Boundary

/// Reads the text of a template. It looks at every byte a fixed number of times and is nested no deeper than the limit.
struct TemplateParser {
  private let bytes: [UInt8]
  private let start: TemplatePlace
  private let deepest: Int
  private var index = 0
  /// A place that was asked for before, so that no byte is counted for every choice again.
  private var known = (offset: 0, place: TemplatePlace())

  /// What a sequence of parts stands in.
  private enum Within {
    case template, option, value
  }

  /// The characters that a backslash makes text. Before any other character it stays, as prompts have escapes of their
  /// own: `\(`.
  private static let escapable = Set("{}|$%#_!~@:".utf8)

  private static let heaviest = 1e9  // of weights
  /// - Parameters:
  ///   - text: the template.
  ///   - start: where the text begins, for messages.
  ///   - limits: how long and how deeply nested it may be.
  /// - Throws: `TemplateError` for a template that is too long.
  init(_ text: String, at start: TemplatePlace, limits: TemplateLimits) throws(TemplateError) {
    let size = text.utf8.count
    guard size <= limits.textBytes else {
      throw TemplateError(.longTemplate(bytes: size, limit: limits.textBytes), at: start)
    }
    bytes = Array(text.utf8)
    self.start = start
    known.place = start
    deepest = limits.depth
  }

  /// All parts of the template.
  /// - Throws: `TemplateError`
  mutating func parts() throws(TemplateError) -> [PromptTemplate.Part] {
    try sequence(.template, depth: 0)
  }

  // MARK: - Where it is

  /// The byte so many places ahead; nil behind the end.
  private func byte(_ ahead: Int = 0) -> UInt8? {
    index + ahead < bytes.count ? bytes[index + ahead] : nil
  }

  private func isNext(_ text: StaticString) -> Bool {
    text.withUTF8Buffer { bytes[min(index, bytes.count)...].starts(with: $0) }
  }

  private mutating func pass(_ text: StaticString) -> Bool {
    guard isNext(text) else { return false }
    index += text.utf8CodeUnitCount
    return true
  }

  private mutating func skipSpace() {
    while let byte = byte(), [0x20, 0x09, 0x0A, 0x0D].contains(byte) { index += 1 }
  }

  /// Where a byte is, counted from a place that is known.
  private func place(_ offset: Int) -> TemplatePlace {
    let (from, begin) = offset >= known.offset ? known : (0, start)
    var (line, column) = (begin.line, begin.column)
    for byte in bytes[from..<min(offset, bytes.count)] {
      if byte == 0x0A {
        (line, column) = (line + 1, 1)
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return TemplatePlace(file: start.file, line: line, column: column)
  }

  /// Where the next byte is. Whoever asks goes forwards through the template.
  private mutating func mark() -> PromptTemplate.Unequal<TemplatePlace> {
    known = (index, place(index))
    return .init(known.place)
  }

  private func error(_ fault: TemplateError.Fault, at offset: Int? = nil) -> TemplateError {
    TemplateError(fault, at: place(offset ?? index))
  }

  private func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

  // MARK: - Sequences

  private mutating func sequence(_ within: Within, depth: Int) throws(TemplateError) -> [PromptTemplate.Part]
  {
    guard depth <= deepest else { throw error(.tooDeep(limit: deepest)) }
    var parts: [PromptTemplate.Part] = []
    var literal: [UInt8] = []
    func flush() {
      if !literal.isEmpty { parts.append(.text(ExactText(String(decoding: literal, as: UTF8.self)))) }
      literal = []
    }
    while let byte = byte() {
      var part: PromptTemplate.Part?
      switch Unicode.Scalar(byte) {
      case "\\":
        let next = self.byte(1)
        // Anything else after a backslash goes along with it, so that of two backslashes none escapes a brace.
        if let next, !Self.escapable.contains(next) { literal.append(byte) }
        literal.append(next ?? byte)
        index += 2
        continue
      case "{": part = .choice(try choice(depth: depth))
      case "}":
        guard within != .template else { throw error(.stray) }
        flush()
        return parts
      case "|" where within == .option:
        flush()
        return parts
      case "|" where within == .value:
        throw error(.expected("'}': put choices into braces, as in ${x={a|b}}"))
      case "$" where self.byte(1) == UInt8(ascii: "{"): part = try variable(within, depth: depth)
      case "$" where self.byte(1) == UInt8(ascii: "$") && within == .option: throw error(.badCount)
      case "%" where self.byte(1) == UInt8(ascii: "{"):
        throw error(.unsupported("a wrap (%{…})", instead: "write out both, or \\% for the character"))
      case "#":
        throw error(.unsupported("a comment ('#')", instead: "leave it out, or write \\# for the character"))
      case "_" where self.byte(1) == UInt8(ascii: "_"): part = .wildcard(try wildcard())
      default: break
      }
      if let part {
        flush()
        parts.append(part)
      } else {
        literal.append(byte)
        index += 1
      }
    }
    flush()
    return parts
  }

  // MARK: - Choices

  private mutating func choice(depth: Int) throws(TemplateError) -> PromptTemplate.Choice {
    let opening = index
    var choice = PromptTemplate.Choice()
    choice.place = mark()
    index += 1
    skipSpace()
    try refuseSampler()
    if let count = try count() {
      (choice.least, choice.most) = count
      if let separator = try separator() { choice.separator = separator }
    }
    while true {
      skipSpace()
      let weight = try weight()
      let parts = try sequence(.option, depth: depth + 1)
      choice.options.append(PromptTemplate.Option(weight: weight, parts: parts))
      if pass("}") { break }
      guard pass("|") else { throw error(.unclosed("{"), at: opening) }
    }
    guard choice.options.contains(where: { $0.weight > 0 }) else { throw error(.noWeight, at: opening) }
    return choice
  }

  private func refuseSampler() throws(TemplateError) {
    guard let byte = byte(), "!~@".utf8.contains(byte) else { return }
    let sign = Character(Unicode.Scalar(byte))
    throw error(
      .unsupported(
        "a way to choose of its own ('\(sign)')",
        instead: "--templates says how to choose; write \\\(sign) for the character"))
  }

  /// `2$$`, `1-2$$`, `-2$$`, `2-$$`; nil if there is nothing of the kind.
  private mutating func count() throws(TemplateError) -> (least: Int?, most: Int?)? {
    let begin = index
    let first = try digits()
    let isRange = pass("-")
    let second = isRange ? try digits() : first
    guard first != nil || second != nil, pass("$$") else {
      index = begin
      return nil
    }
    return (first, second)
  }

  /// A whole number; nil if there is none. What is no count in the end may have any length.
  private mutating func digits() throws(TemplateError) -> Int? {
    let begin = index
    while let byte = byte(), (0x30...0x39).contains(byte) { index += 1 }
    // No choice has so many options.
    return begin == index ? nil : min(Int(text(begin..<index)) ?? .max, 1_000_000_000)
  }

  /// What stands up to the next `$$`, if nothing else of a template is before it.
  private mutating func separator() throws(TemplateError) -> ExactText? {
    var end = index
    while end < bytes.count, !"${}".utf8.contains(bytes[end]) { end += 1 }
    guard end + 1 < bytes.count, bytes[end] == UInt8(ascii: "$"), bytes[end + 1] == UInt8(ascii: "$") else {
      return nil
    }
    guard end > index else { throw error(.emptySeparator) }
    defer { index = end + 2 }
    return ExactText(text(index..<end))
  }

  /// `0.5::`; 1 if there is no weight.
  private mutating func weight() throws(TemplateError) -> Double {
    let begin = index
    var end = index
    while end < bytes.count, "+-.0123456789eE".utf8.contains(bytes[end]) { end += 1 }
    let number = text(begin..<end)
    var colons = end
    while colons < bytes.count, bytes[colons] == 0x20 || bytes[colons] == 0x09 { colons += 1 }
    guard number.utf8.contains(where: { (0x30...0x39).contains($0) }),
      bytes[colons...].starts(with: "::".utf8)
    else { return 1 }
    guard colons == end, number.utf8.allSatisfy({ $0 == 0x2E || (0x30...0x39).contains($0) }),
      let weight = Double(number.hasSuffix(".") ? number + "0" : number), weight <= Self.heaviest
    else { throw error(.badWeight(text(begin..<colons))) }
    index = end + 2
    return weight
  }

  // MARK: - Names

  /// `${x}`, `${x:default}`, `${x=value}`, `${x=!value}`
  private mutating func variable(_ within: Within, depth: Int) throws(TemplateError) -> PromptTemplate.Part {
    let opening = index
    let place = mark()
    index += 2
    skipSpace()
    let begin = index
    while let byte = byte(), Self.isName(byte, isFirst: index == begin) { index += 1 }
    guard index > begin else { throw error(.expected("a variable's name: letters, digits, _ and -")) }
    let name = PromptTemplate.Reference(name: text(begin..<index), place: place)
    skipSpace()
    if isNext("?=") {
      throw error(
        .unsupported("a value only for the unset ('?=')", instead: "give a default where it is used: ${x:…}"))
    }
    if pass("=") {
      guard within == .template else {
        throw error(
          .unsupported("setting a variable within braces", instead: "set it outside of them"), at: opening)
      }
      let isFixed = pass("!")
      return .setting(name, value: try value(opening, depth: depth), isFixed: isFixed)
    }
    if pass(":") { return .variable(name, standard: try value(opening, depth: depth)) }
    guard pass("}") else {
      throw byte() == nil ? error(.unclosed("${"), at: opening) : error(.expected("'}', '=' or ':'"))
    }
    return .variable(name, standard: nil)
  }

  private mutating func value(_ opening: Int, depth: Int) throws(TemplateError) -> [PromptTemplate.Part] {
    skipSpace()
    let parts = try sequence(.value, depth: depth + 1)
    guard pass("}") else { throw error(.unclosed("${"), at: opening) }
    return parts
  }

  private static func isName(_ byte: UInt8, isFirst: Bool) -> Bool {
    switch byte {
    case 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D: true
    case 0x30...0x39: !isFirst
    default: false
    }
  }

  /// `__animals/cats__`
  private mutating func wildcard() throws(TemplateError) -> PromptTemplate.Reference {
    let opening = index
    let place = mark()
    index += 2
    try refuseSampler()
    let begin = index
    while !isNext("__") {
      switch byte().map({ Unicode.Scalar($0) }) {
      case nil, "\n", "\r", "|", "}", "#": throw error(.unclosed("__"), at: opening)
      case "(":
        throw error(
          .unsupported("a wildcard with variables (__a(x=…)__)", instead: "set them before: ${x=…}"))
      case "{", "$":
        throw error(.unsupported("a wildcard's name with choices in it", instead: "choose between wildcards"))
      default: index += 1
      }
    }
    let name = text(begin..<index)
    let folders = name.pathNames
    guard folders.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }),
      !name.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\\") })
    else { throw error(.badName(name), at: opening) }
    index += 2
    return PromptTemplate.Reference(name: name, place: place)
  }
}
