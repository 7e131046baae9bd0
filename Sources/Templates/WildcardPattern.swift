/// A name with `*`, `?` and `[…]`, as Python's `fnmatch` reads them. `*` may stand for slashes, too.
struct WildcardPattern {
  fileprivate enum Piece: Equatable {
    case scalar(Unicode.Scalar)
    case any
    case star
    case set([ClosedRange<Unicode.Scalar>], isInverted: Bool)
  }

  private let pieces: [Piece]

  /// Whether it names one file alone.
  let isPlain: Bool

  /// - Parameter text: the name between the underscores.
  init(_ text: String) {
    var pieces: [Piece] = []
    var rest = Array(text.unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case "*": if pieces.last != .star { pieces.append(.star) }
      case "?": pieces.append(.any)
      case "[":
        if let set = Self.set(&rest) { pieces.append(set) } else { pieces.append(.scalar("[")) }
      default: pieces.append(.scalar(scalar))
      }
    }
    self.pieces = pieces
    isPlain = pieces.allSatisfy { if case .scalar = $0 { true } else { false } }
  }

  /// What is between brackets; nil, and nothing read, if they never close.
  private static func set(_ rest: inout ArraySlice<Unicode.Scalar>) -> Piece? {
    var body = rest
    let isInverted = body.first == "!"
    if isInverted { body.removeFirst() }
    // A bracket right at the beginning is one of the set.
    guard let end = body.dropFirst().firstIndex(of: "]") else { return nil }
    var ranges: [ClosedRange<Unicode.Scalar>] = []
    var scalars = body[body.startIndex..<end]
    while let low = scalars.popFirst() {
      guard scalars.first == "-", scalars.count > 1 else {
        ranges.append(low...low)
        continue
      }
      scalars.removeFirst()
      let high = scalars.removeFirst()
      if low <= high { ranges.append(low...high) }
    }
    rest = body[(end + 1)...]
    return .set(ranges, isInverted: isInverted)
  }

  /// Whether a name fits. It takes at most the product of both lengths.
  func fits(_ name: String) -> Bool {
    let scalars = Array(name.unicodeScalars)
    var (piece, place) = (0, 0)
    /// The last star, and how far it reaches.
    var star: (piece: Int, place: Int)?
    while place < scalars.count {
      if piece < pieces.count, pieces[piece] == .star {
        star = (piece, place)
        piece += 1
      } else if piece < pieces.count, pieces[piece].fits(scalars[place]) {
        (piece, place) = (piece + 1, place + 1)
      } else if let last = star {
        star = (last.piece, last.place + 1)
        (piece, place) = (last.piece + 1, last.place + 1)
      } else {
        return false
      }
    }
    return pieces[piece...].allSatisfy { $0 == .star }
  }
}

extension WildcardPattern.Piece {
  fileprivate func fits(_ scalar: Unicode.Scalar) -> Bool {
    switch self {
    case .scalar(let own): own == scalar
    case .any, .star: true
    case .set(let ranges, let isInverted): ranges.contains { $0.contains(scalar) } != isInverted
    }
  }
}
