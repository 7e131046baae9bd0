/// Finds the known word that is most like a misspelt one.
package enum Nearest {
  /// "did you mean 'x'?", or all words if none is near.
  package static func advice(_ word: String, among words: [String]) -> String {
    if let near = nearest(word, among: words) { return "did you mean '\(near)'?" }
    return "known here: \(words.joined(separator: ", "))"
  }

  /// The nearest word within a third of its letters, the first of equals; nil if none is that near.
  package static func nearest(_ word: String, among words: [String]) -> String? {
    // The distance costs length times length, and no known word is long.
    guard word.count <= 64 else { return nil }
    let ranked = words.map { ($0, distance(Array(word.lowercased()), Array($0.lowercased()))) }
    guard let best = ranked.min(by: { $0.1 < $1.1 }) else { return nil }
    return best.1 <= max(1, best.0.count / 3) ? best.0 : nil
  }

  /// Edits that turn one word into the other: a letter more, less or other, or two neighbours swapped.
  package static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var beforeLast = [Int]()
    var last = Array(0...b.count)
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var edits = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { edits = min(edits, beforeLast[j - 1] + 1) }
        row.append(edits)
      }
      beforeLast = last
      last = row
    }
    return last[b.count]
  }
}
