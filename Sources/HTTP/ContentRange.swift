/// `bytes 100-199/200` of a partial answer, `bytes */200` of a refused one.
package struct ContentRange {
  /// The first byte; nil in a refusal.
  package let start: Int?
  /// The size of the whole file; nil if the server does not know it.
  package let total: Int?

  /// nil for any other text.
  package init?(_ text: String) {
    guard let match = text.wholeMatch(of: #/bytes (?:(\d+)-\d+|\*)/(\d+|\*)/#) else { return nil }
    start = match.output.1.flatMap { Int($0) }
    total = Int(match.output.2)
  }
}
