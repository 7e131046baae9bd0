/// Unicode's normalization form C, by the tables of Unicode 9, which are those of the reference's Rust library. Newer
/// scalars stay where they are, as if they combined with nothing.
///
/// Not Foundation's: on Linux that composes scalars above U+FFFF as if they were other ones (U+10433 with
/// an acute accent becomes U+0453), and a megabyte of marks on one letter costs it minutes.
enum CanonicalComposition {
  /// The text in NFC. Time grows with n·log n.
  static func compose(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    // Below U+0300 nothing combines and all is composed.
    guard text.contains(where: { $0.value >= 0x300 }) else { return Array(text) }
    var marked: [Marked] = []
    marked.reserveCapacity(text.count)
    for scalar in text { appendDecomposed(scalar, to: &marked) }
    order(&marked)
    return joined(marked)
  }

  /// A scalar with its canonical combining class; class 0 begins a new run.
  private typealias Marked = (scalar: Unicode.Scalar, class: UInt8)

  private static func appendDecomposed(_ scalar: Unicode.Scalar, to marked: inout [Marked]) {
    if scalar.value < 0xc0 {
      marked.append((scalar, 0))
    } else if let parts = tables.parts[scalar] {
      for part in parts { appendDecomposed(part, to: &marked) }
    } else if let syllable = Hangul.parts(of: scalar) {
      for part in syllable { marked.append((part, 0)) }
    } else {
      marked.append((scalar, combiningClass(of: scalar)))
    }
  }

  private static func combiningClass(of scalar: Unicode.Scalar) -> UInt8 {
    let properties = scalar.properties
    let value = properties.canonicalCombiningClass.rawValue
    guard value != 0, let age = properties.age, age.major <= 9 else { return 0 }
    return value
  }

  /// Sorts each run of marks by class; marks of one class keep their order.
  private static func order(_ marked: inout [Marked]) {
    var start = 0
    while start < marked.count {
      var end = start + 1
      var isSorted = true
      while end < marked.count, marked[end].class != 0 {
        if end - 1 > start || marked[start].class != 0, marked[end - 1].class > marked[end].class {
          isSorted = false
        }
        end += 1
      }
      if !isSorted {
        let run = marked[start..<end].enumerated().sorted {
          ($0.element.class, $0.offset) < ($1.element.class, $1.offset)
        }
        marked.replaceSubrange(start..<end, with: run.map(\.element))
      }
      start = end
    }
  }

  /// Joins each mark with the starter before it, unless one between them blocks it.
  private static func joined(_ marked: [Marked]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(marked.count)
    var starter: Int?
    var lastClass: UInt8 = 0
    for (scalar, combining) in marked {
      if let place = starter {
        let isNext = place == result.count - 1
        let isFree = isNext || (combining != 0 && lastClass < combining)
        if isFree, let whole = composite(of: result[place], and: scalar) {
          result[place] = whole
          continue
        }
      }
      if combining == 0 { starter = result.count }
      lastClass = combining
      result.append(scalar)
    }
    return result
  }

  private static func composite(of first: Unicode.Scalar, and second: Unicode.Scalar) -> Unicode.Scalar? {
    Hangul.composite(of: first, and: second)
      ?? tables.composites[UInt64(first.value) << 32 | UInt64(second.value)]
  }

  private struct Tables: Sendable {
    var parts: [Unicode.Scalar: [Unicode.Scalar]] = [:]
    var composites: [UInt64: Unicode.Scalar] = [:]
  }

  private static let tables: Tables = {
    var tables = Tables()
    for entry in CanonicalDecompositions.table.split(whereSeparator: \.isWhitespace) {
      let isExcluded = entry.hasPrefix("!")
      let numbers = entry.drop { $0 == "!" }.split { $0 == ":" || $0 == "+" }
      let scalars = numbers.compactMap { UInt32($0, radix: 16).flatMap(Unicode.Scalar.init) }
      guard let whole = scalars.first else { continue }
      tables.parts[whole] = Array(scalars.dropFirst())
      if scalars.count == 3, !isExcluded {
        tables.composites[UInt64(scalars[1].value) << 32 | UInt64(scalars[2].value)] = whole
      }
    }
    return tables
  }()
}

/// Korean syllables, whose parts follow from their number.
private enum Hangul {
  private static let syllables: Range<UInt32> = 0xac00..<0xd7a4
  private static let leads: Range<UInt32> = 0x1100..<0x1113
  private static let vowels: Range<UInt32> = 0x1161..<0x1176
  private static let tails: Range<UInt32> = 0x11a8..<0x11c3

  /// Lead, vowel and perhaps tail of a syllable; nil for other scalars.
  static func parts(of scalar: Unicode.Scalar) -> [Unicode.Scalar]? {
    guard syllables.contains(scalar.value) else { return nil }
    let index = scalar.value - syllables.lowerBound
    let tail = index % 28
    var parts = [leads.lowerBound + index / 588, vowels.lowerBound + index % 588 / 28]
    if tail > 0 { parts.append(tails.lowerBound + tail - 1) }
    return parts.compactMap(Unicode.Scalar.init)
  }

  /// The syllable of lead and vowel, or of a syllable without tail and a tail.
  static func composite(of first: Unicode.Scalar, and second: Unicode.Scalar) -> Unicode.Scalar? {
    if leads.contains(first.value), vowels.contains(second.value) {
      let index = (first.value - leads.lowerBound) * 588 + (second.value - vowels.lowerBound) * 28
      return Unicode.Scalar(syllables.lowerBound + index)
    }
    if syllables.contains(first.value), (first.value - syllables.lowerBound) % 28 == 0,
      tails.contains(second.value)
    {
      return Unicode.Scalar(first.value + second.value - tails.lowerBound + 1)
    }
    return nil
  }
}
