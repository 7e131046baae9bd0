/// The tokens of each image in groups that count as one token.
package struct TokenGroups: Sendable {
  /// How many groups an image has.
  package let count: Int
  /// The group of each token, one image after another: the image times `count`, plus the group.
  let places: [Int]
  /// Where the tokens of each group begin in `tokens`, and the end of the last.
  let starts: [Int]
  /// All tokens, sorted by group: the image times its tokens, plus the token. In a group the one that was there first
  /// comes first.
  let tokens: [Int]

  /// - Parameters:
  ///   - groups: for every image the group of each of its tokens, 0 ..< `count`. Each group has one at least.
  ///   - count: how many groups an image has.
  package init(_ groups: [[Int]], count: Int) {
    self.count = count
    let places = groups.enumerated().flatMap { image, groups in groups.map { image * count + $0 } }
    var starts = [Int](repeating: 0, count: groups.count * count + 1)
    for place in places { starts[place + 1] += 1 }
    for place in 1..<starts.count { starts[place] += starts[place - 1] }
    var (next, tokens) = (starts, places)
    for (token, place) in places.enumerated() {
      tokens[next[place]] = token
      next[place] += 1
    }
    (self.places, self.starts, self.tokens) = (places, starts, tokens)
  }
}
