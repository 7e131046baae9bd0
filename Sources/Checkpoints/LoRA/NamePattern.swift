/// A regular expression over names of layers, as in PEFT's `rank_pattern` and `alpha_pattern`. It supports the part
/// of Python's syntax that such names need: literals, `.`, classes, groups, alternation, repetition, `^` and `$`.
///
/// The pattern comes from a file, so matching must not take exponential time. All states are followed at once
/// (Thompson, 1968): the number of steps is at most the length of the name times the length of the pattern.
package struct NamePattern: Sendable {
  /// What the text must have at one place.
  private enum Test: Sendable {
    case any
    case set(Set<UInt8>, isNegated: Bool)

    func holds(_ byte: UInt8) -> Bool {
      switch self {
      case .any: byte != UInt8(ascii: "\n")
      case .set(let bytes, let isNegated): bytes.contains(byte) != isNegated
      }
    }
  }

  private enum State: Sendable {
    case test(Test, next: Int)
    case fork(Int, Int)
    case start(next: Int)
    case end(next: Int)
    case match
  }

  private var states: [State] = [.match]
  private var first = 0

  /// Far more than any layer's name needs. It limits how many states `{m,n}` can make.
  private static let mostStates = 4096

  /// A part of a pattern that is not supported.
  package struct Fault: Error { let reason: String }

  /// - Throws: `Fault`.
  package init(_ text: String) throws {
    var parser = Parser(text: Array(text.utf8))
    let tree = try parser.alternation()
    guard parser.place == parser.text.count else { throw Fault(reason: "an unmatched ')'") }
    first = try add(tree, next: 0)
  }

  /// Whether the pattern matches the whole name, or all of it after one of its dots: PEFT's `(.*\.)?(pattern)$`.
  package func fits(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    var active: Set<Int> = []
    for place in 0...bytes.count {
      if place == 0 || bytes[place - 1] == UInt8(ascii: ".") {
        follow(first, place, bytes.count, into: &active)
      }
      guard place < bytes.count else { break }
      var next: Set<Int> = []
      for state in active {
        if case .test(let test, let after) = states[state], test.holds(bytes[place]) {
          follow(after, place + 1, bytes.count, into: &next)
        }
      }
      active = next
    }
    return active.contains(0)
  }

  /// Adds a state and all states that are reached from it without consuming a byte.
  private func follow(_ state: Int, _ place: Int, _ end: Int, into active: inout Set<Int>) {
    guard active.insert(state).inserted else { return }
    switch states[state] {
    case .fork(let one, let other):
      follow(one, place, end, into: &active)
      follow(other, place, end, into: &active)
    case .start(let next): if place == 0 { follow(next, place, end, into: &active) }
    case .end(let next): if place == end { follow(next, place, end, into: &active) }
    case .test, .match: break
    }
  }
}

// MARK: - Building

extension NamePattern {
  private indirect enum Tree {
    case empty, start, end
    case test(Test)
    case sequence([Tree])
    case either([Tree])
    case repeated(Tree, least: Int, most: Int?)
  }

  /// Adds the states of a syntax tree and returns the first.
  private mutating func add(_ tree: Tree, next: Int) throws -> Int {
    guard states.count < Self.mostStates else { throw Fault(reason: "it is too long") }
    switch tree {
    case .empty: return next
    case .start: return append(.start(next: next))
    case .end: return append(.end(next: next))
    case .test(let test): return append(.test(test, next: next))
    case .sequence(let parts): return try parts.reversed().reduce(next) { try add($1, next: $0) }
    case .either(let parts):
      let starts = try parts.map { try add($0, next: next) }
      return starts.dropFirst().reduce(starts[0]) { append(.fork($0, $1)) }
    case .repeated(let part, let least, let most):
      var start = next
      if let most {
        for _ in least..<most { start = append(.fork(try add(part, next: start), next)) }
      } else {
        let fork = append(.fork(next, next))
        states[fork] = .fork(try add(part, next: fork), next)
        start = fork
      }
      for _ in 0..<least { start = try add(part, next: start) }
      return start
    }
  }

  private mutating func append(_ state: State) -> Int {
    states.append(state)
    return states.count - 1
  }

  /// Reads a pattern from left to right.
  private struct Parser {
    let text: [UInt8]
    var place = 0
    var depth = 0

    private var next: UInt8? { place < text.count ? text[place] : nil }

    private mutating func take(_ byte: Character) -> Bool {
      guard next == byte.asciiValue else { return false }
      place += 1
      return true
    }

    mutating func alternation() throws -> Tree {
      depth += 1
      defer { depth -= 1 }
      guard depth <= 50 else { throw Fault(reason: "groups nested too deep") }
      var parts = [try sequence()]
      while take("|") { parts.append(try sequence()) }
      return parts.count == 1 ? parts[0] : .either(parts)
    }

    private mutating func sequence() throws -> Tree {
      var parts: [Tree] = []
      while let byte = next, byte != UInt8(ascii: "|"), byte != UInt8(ascii: ")") {
        parts.append(try repetition(of: try atom()))
      }
      return .sequence(parts)
    }

    private mutating func repetition(of part: Tree) throws -> Tree {
      var tree = part
      if take("*") {
        tree = .repeated(tree, least: 0, most: nil)
      } else if take("+") {
        tree = .repeated(tree, least: 1, most: nil)
      } else if take("?") {
        tree = .repeated(tree, least: 0, most: 1)
      } else if take("{") {
        let least = number() ?? 0
        let most: Int? = take(",") ? number() : least
        guard take("}"), least <= most ?? least, max(least, most ?? 0) <= 256 else {
          throw Fault(reason: "a repetition that is not {m}, {m,} or {m,n}")
        }
        tree = .repeated(tree, least: least, most: most)
      } else {
        return tree
      }
      // Lazy and greedy repetition match the same names.
      _ = take("?")
      if let byte = next, "*+".utf8.contains(byte) { throw Fault(reason: "one repetition of another") }
      return tree
    }

    private mutating func number() -> Int? {
      var value: Int?
      while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), value ?? 0 < 1000 {
        value = (value ?? 0) * 10 + Int(byte - UInt8(ascii: "0"))
        place += 1
      }
      return value
    }

    private mutating func atom() throws -> Tree {
      if take("^") { return .start }
      if take("$") { return .end }
      if take(".") { return .test(.any) }
      if take("[") { return .test(try set()) }
      if take("(") {
        if take("?") {
          guard take(":") else { throw Fault(reason: "a group with '?' that is not '(?:'") }
        }
        let inside = try alternation()
        guard take(")") else { throw Fault(reason: "a group without an end") }
        return inside
      }
      if take("\\") {
        let (bytes, isNegated) = try escaped()
        return .test(.set(bytes, isNegated: isNegated))
      }
      guard let byte = next, !"*+?{".utf8.contains(byte) else {
        throw Fault(reason: "a repetition of nothing")
      }
      place += 1
      return .test(.set([byte], isNegated: false))
    }

    private mutating func escaped() throws -> (Set<UInt8>, isNegated: Bool) {
      guard let byte = next else { throw Fault(reason: "a '\\' at the end") }
      place += 1
      let digits = Set("0123456789".utf8)
      switch byte {
      case UInt8(ascii: "d"): return (digits, false)
      case UInt8(ascii: "D"): return (digits, true)
      case UInt8(ascii: "w"), UInt8(ascii: "W"):
        let letters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_".utf8)
        return (digits.union(letters), byte == UInt8(ascii: "W"))
      case UInt8(ascii: "s"): return (Set(" \t\n\r\u{b}\u{c}".utf8), false)
      default:
        guard !digits.contains(byte),
          !(UInt8(ascii: "A")...UInt8(ascii: "z")).contains(byte) || byte == 0x5c
            || "[]^_`".utf8.contains(byte)
        else { throw Fault(reason: "'\\\(Character(Unicode.Scalar(byte)))' is not known here") }
        return ([byte], false)
      }
    }

    private mutating func set() throws -> Test {
      let isNegated = take("^")
      var bytes: Set<UInt8> = []
      var isFirst = true
      while let byte = next, isFirst || byte != UInt8(ascii: "]") {
        isFirst = false
        place += 1
        if byte == UInt8(ascii: "\\") {
          let (more, isNegated) = try escaped()
          guard !isNegated else { throw Fault(reason: "a class within a class") }
          bytes.formUnion(more)
        } else if place + 1 < text.count, text[place] == UInt8(ascii: "-"),
          text[place + 1] != UInt8(ascii: "]")
        {
          guard byte <= text[place + 1] else { throw Fault(reason: "a range of the wrong order") }
          bytes.formUnion(byte...text[place + 1])
          place += 2
        } else {
          bytes.insert(byte)
        }
      }
      guard take("]") else { throw Fault(reason: "a class without an end") }
      return .set(bytes, isNegated: isNegated)
    }
  }
}
