/// A prompt as AUTOMATIC1111 1.10 reads it: texts with weights, and breaks between chunks.
///
/// - `(a)` is a at 1.1 times its weight, `(a:1.3)` at 1.3 times, `[a]` at 1/1.1; they nest by multiplying.
/// - `\(`, `\)`, `\[`, `\]` and `\\` are the characters themselves; a backslash before anything else is dropped.
/// - An unclosed bracket reaches to the end; a closing bracket without an opening one is text.
/// - `BREAK`, in capitals and as a word of its own, ends a chunk.
///
/// Prompt editing (`[a:b:0.5]`, `[a|b]`) and `AND` are not supported. They are read as text.
package struct WeightedPrompt: Equatable, Sendable {
  /// A stretch of a prompt.
  package enum Part: Equatable, Sendable {
    /// To be tokenized as a whole; may be empty.
    case text(String, weight: Double)
    /// The next part starts a new chunk.
    case chunkBreak
  }

  /// In order; neighbours of one weight are one part.
  package let parts: [Part]

  /// How many brackets may be open at once. More is a mistake, and costs time with the square of their number.
  package static let deepest = 200

  /// Reads a prompt.
  /// - Throws: `DiffusionError.setting` for too many open brackets, or a weight too large for a float.
  package init(_ prompt: String) throws {
    var reader = WeightReader(Array(prompt.unicodeScalars))
    parts = try reader.parts()
  }
}

/// Reads weights from left to right. Time is linear in the text, times the depth of brackets.
private struct WeightReader {
  private struct Stretch {
    var scalars: String.UnicodeScalarView
    var weight = 1.0
    var isBreak = false
  }

  private let scalars: [Unicode.Scalar]
  private var position = 0
  private var stretches: [Stretch] = []
  /// Where the open brackets began, as numbers of stretches.
  private var round: [Int] = []
  private var square: [Int] = []

  private static let roundWeight = 1.1
  private static let squareWeight = 1 / 1.1

  init(_ scalars: [Unicode.Scalar]) { self.scalars = scalars }

  mutating func parts() throws -> [WeightedPrompt.Part] {
    while position < scalars.count {
      let scalar = scalars[position]
      switch scalar {
      case "\\": readEscape()
      case "(":
        round.append(stretches.count)
        position += 1
        try checkDepth()
      case "[":
        square.append(stretches.count)
        position += 1
        try checkDepth()
      case ":": readColon()
      case ")":
        position += 1
        close(round.popLast(), Self.roundWeight, otherwise: scalar)
      case "]":
        position += 1
        close(square.popLast(), Self.squareWeight, otherwise: scalar)
      default: readText()
      }
    }
    for start in round { multiply(from: start, by: Self.roundWeight) }
    for start in square { multiply(from: start, by: Self.squareWeight) }
    return try merged()
  }

  private func checkDepth() throws {
    guard round.count + square.count <= WeightedPrompt.deepest else {
      throw DiffusionError.setting(
        name: "prompt", value: "with more than \(WeightedPrompt.deepest) open brackets",
        allowed: "fewer, \\( for a bracket that is text, or --plain-prompt")
    }
  }

  private mutating func append(_ text: some Sequence<Unicode.Scalar>) {
    stretches.append(Stretch(scalars: String.UnicodeScalarView(text)))
  }

  private mutating func multiply(from start: Int, by weight: Double) {
    for place in start..<stretches.count { stretches[place].weight *= weight }
  }

  private mutating func close(_ start: Int?, _ weight: Double, otherwise text: Unicode.Scalar) {
    if let start {
      multiply(from: start, by: weight)
    } else {
      append([text])
    }
  }

  private mutating func readEscape() {
    position += 1
    guard position < scalars.count, "()[]\\".unicodeScalars.contains(scalars[position]) else {
      append([])
      return
    }
    append([scalars[position]])
    position += 1
  }

  /// `:1.2)` closes a bracket; without one it is text, as is a colon that no weight follows.
  private mutating func readColon() {
    guard let (weight, end) = weight(after: position + 1) else {
      append([":"])
      position += 1
      return
    }
    if let start = round.popLast() {
      multiply(from: start, by: weight)
    } else {
      append(scalars[position..<end])
    }
    position = end
  }

  /// Reads white space, a sign, digits and dots, white space, `)`: the number, and where it all ends. Nil if the digits
  /// and dots are no number; AUTOMATIC1111 stops with an error there.
  private func weight(after start: Int) -> (Double, end: Int)? {
    var place = skipped(Self.isSpace, from: start)
    let first = place
    if place < scalars.count, scalars[place] == "+" || scalars[place] == "-" { place += 1 }
    place = skipped({ $0 == "." || $0.properties.numericType == .decimal }, from: place)
    var digits = ""
    for scalar in scalars[first..<place] {
      // Any script's digits, as Python's float takes them.
      if !scalar.isASCII, let value = scalar.properties.numericValue {
        digits += String(Int(value))
      } else {
        digits.unicodeScalars.append(scalar)
      }
    }
    guard let number = Double(digits) else { return nil }
    place = skipped(Self.isSpace, from: place)
    guard place < scalars.count, scalars[place] == ")" else { return nil }
    return (number, place + 1)
  }

  private func skipped(_ isPart: (Unicode.Scalar) -> Bool, from start: Int) -> Int {
    var place = start
    while place < scalars.count, isPart(scalars[place]) { place += 1 }
    return place
  }

  private static let special = Set("\\()[]:".unicodeScalars)
  private static let breakWord = Array("BREAK".unicodeScalars)

  /// Text up to the next special sign, cut at each `BREAK` with the white space around it.
  private mutating func readText() {
    let end = skipped({ !Self.special.contains($0) }, from: position)
    var start = position
    var place = position
    while place < end {
      let after = place + Self.breakWord.count
      guard scalars[place] == "B", after <= end, scalars[place..<after].elementsEqual(Self.breakWord),
        place == position || !Self.isWord(scalars[place - 1]), after == end || !Self.isWord(scalars[after])
      else {
        place += 1
        continue
      }
      var last = place
      while last > start, Self.isSpace(scalars[last - 1]) { last -= 1 }
      append(scalars[start..<last])
      stretches.append(Stretch(scalars: .init(), isBreak: true))
      place = min(skipped(Self.isSpace, from: after), end)
      start = place
    }
    append(scalars[start..<end])
    position = end
  }

  private func merged() throws -> [WeightedPrompt.Part] {
    var result: [Stretch] = []
    for stretch in stretches {
      if let last = result.last, last.weight == stretch.weight, !last.isBreak, !stretch.isBreak {
        result[result.count - 1].scalars.append(contentsOf: stretch.scalars)
      } else {
        result.append(stretch)
      }
    }
    // Nothing at all is an empty text.
    if result.isEmpty { result.append(Stretch(scalars: .init())) }
    return try result.map { stretch in
      if stretch.isBreak { return .chunkBreak }
      guard Float(stretch.weight).isFinite else {
        throw DiffusionError.setting(
          name: "prompt weight", value: "\(stretch.weight)", allowed: "up to \(Float.greatestFiniteMagnitude)"
        )
      }
      return .text(String(stretch.scalars), weight: stretch.weight)
    }
  }

  /// `\s` of Python's regular expressions.
  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value)
  }

  /// `\w` of Python's regular expressions.
  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar == "_" || scalar.properties.numericType != nil { return true }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
    default: return false
    }
  }
}
