import Checkpoints

/// Byte pair encoding: which two neighbouring tokens make one, and in which order of preference.
struct BytePairMerges: Sendable {
  private struct Merge: Sendable {
    let rank: UInt32
    let result: Int32
  }

  private var merges: [UInt64: Merge] = [:]

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Pairs in order of rank. Of a pair that comes twice the later rank counts, as in the reference.
  /// - Throws: `malformed` if one of the three tokens of a merge has no id.
  init(pairs: [(left: String, right: String)], ids: [String: Int32], path: String) throws {
    merges.reserveCapacity(pairs.count)
    for (rank, pair) in pairs.enumerated() {
      guard let left = ids[pair.left], let right = ids[pair.right], let result = ids[pair.left + pair.right]
      else {
        throw CheckpointError.malformed(
          path: path, reason: "merge \(rank + 1), '\(pair.left) \(pair.right)', has a token without an id")
      }
      merges[Self.key(left, right)] = Merge(rank: UInt32(rank), result: result)
    }
  }

  /// Merges the symbols of one word as far as it goes and adds the tokens to `tokens`.
  ///
  /// Again and again the pair of lowest rank is merged, the leftmost of equals. A queue of candidates
  /// finds it: n·log n steps for n symbols, so a word of a megabyte does no harm.
  func appendMerged(_ symbols: [Int32], to tokens: inout [Int32]) {
    var word = LinkedWord(symbols)
    var queue = CandidateQueue()
    for place in 0..<(symbols.count - 1) {
      if let merge = merges[Self.key(symbols[place], symbols[place + 1])] {
        queue.insert(rank: merge.rank, place: UInt32(place))
      }
    }
    while let (rank, place) = queue.popFirst() {
      // The candidate may be outdated: one of its two symbols merged with another meanwhile.
      guard let right = word.right(of: Int(place)), let merge = merge(in: word, Int(place), right),
        merge.rank == rank
      else { continue }
      word.join(Int(place), right, into: merge.result)
      if let left = word.left(of: Int(place)), let next = self.merge(in: word, left, Int(place)) {
        queue.insert(rank: next.rank, place: UInt32(left))
      }
      if let right = word.right(of: Int(place)), let next = self.merge(in: word, Int(place), right) {
        queue.insert(rank: next.rank, place: place)
      }
    }
    word.appendSymbols(to: &tokens)
  }

  private func merge(in word: LinkedWord, _ left: Int, _ right: Int) -> Merge? {
    merges[Self.key(word.symbols[left], word.symbols[right])]
  }
}

/// The symbols of a word, linked so that two can be joined without moving the others. A joined symbol
/// lives on at its left place; the right place is gone.
private struct LinkedWord {
  private(set) var symbols: [Int32]
  private var lefts: [Int32]
  private var rights: [Int32]
  private static let gone: Int32 = -2

  init(_ symbols: [Int32]) {
    self.symbols = symbols
    lefts = (0..<symbols.count).map { Int32($0) - 1 }
    rights = (0..<symbols.count).map { $0 + 1 < symbols.count ? Int32($0) + 1 : -1 }
  }

  func left(of place: Int) -> Int? { lefts[place] >= 0 ? Int(lefts[place]) : nil }

  /// nil at the end, and for a place that is gone.
  func right(of place: Int) -> Int? { rights[place] >= 0 ? Int(rights[place]) : nil }

  mutating func join(_ left: Int, _ right: Int, into symbol: Int32) {
    symbols[left] = symbol
    rights[left] = rights[right]
    if rights[right] >= 0 { lefts[Int(rights[right])] = Int32(left) }
    rights[right] = Self.gone
  }

  func appendSymbols(to tokens: inout [Int32]) {
    var place: Int? = 0
    while let here = place {
      tokens.append(symbols[here])
      place = right(of: here)
    }
  }
}

/// Pairs that may be merged, lowest rank first, then leftmost: a binary heap.
private struct CandidateQueue {
  private var heap: [UInt64] = []

  mutating func insert(rank: UInt32, place: UInt32) {
    heap.append(UInt64(rank) << 32 | UInt64(place))
    var child = heap.count - 1
    while child > 0, heap[child] < heap[(child - 1) / 2] {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func popFirst() -> (rank: UInt32, place: UInt32)? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    if !heap.isEmpty {
      heap[0] = last
      sink()
    }
    return (UInt32(truncatingIfNeeded: first >> 32), UInt32(truncatingIfNeeded: first))
  }

  private mutating func sink() {
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child] < heap[least] {
        least = child
      }
      if least == parent { return }
      heap.swapAt(least, parent)
      parent = least
    }
  }
}
