import Requests
import Tensors

/// Merges tokens that are alike before self attention, and gives each of them the result (ToMe for Stable Diffusion; Bolya
/// and Hoffman, 2023). Of every 2×2 tokens one stays. The others are as many as are merged, those that are most like one
/// that stays, and the rest.
///
/// With guidance, which one stays is drawn, the same for both rows: from torch's generator with the picture's seed, layer
/// after layer and call after call, as tomesd draws after `torch.manual_seed(seed)` and `apply_patch`. A single row takes
/// the upper left one.
package struct TokenMerger: Sendable {
  private let setting: TokenMerging
  /// Positions of the latents.
  private let positions: Int
  private var twister: MersenneTwister
  /// Numbers drawn so far.
  package private(set) var draws = 0

  /// - Parameters:
  ///   - setting: what is asked for.
  ///   - positions: positions of the latents.
  ///   - seed: the picture's.
  package init(_ setting: TokenMerging, positions: Int, seed: UInt64) {
    self.setting = setting
    self.positions = positions
    twister = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed))
  }

  /// Goes on as if so many numbers had been drawn.
  package mutating func skip(_ count: Int) {
    for _ in 0..<count { _ = twister.next() }
    draws += count
  }

  /// The groups that the tokens of a map are merged to; nil if none are merged.
  /// - Parameters:
  ///   - x: the input of a transformer block, `[batch, height · width, channel]`.
  ///   - height: of the map.
  ///   - width: of the map.
  ///   - compute: where it is computed.
  package mutating func groups(of x: Tensor, height: Int, width: Int, _ compute: Compute) -> TokenGroups? {
    let (batch, tokens) = (x.shape[0], x.shape[1])
    let merged = Int(Double(tokens) * setting.ratio)
    // tomesd takes the edge from the number of tokens.
    let downsample = Double(positions / tokens).squareRoot().rounded(.up)
    guard downsample <= Double(setting.downsample), merged > 0, height > 1, width > 1 else { return nil }
    let (staying, others) = split(height: height, width: width, isDrawn: batch.isMultiple(of: 2))
    let groups = (0..<batch).map { image in
      Self.groups(
        compute.mostAlike(x, image: image, others, among: staying), of: others, among: staying,
        merging: min(merged, others.count))
    }
    return TokenGroups(groups, count: tokens - min(merged, others.count))
  }

  /// The tokens that stay, one of every 2×2, and all others.
  private mutating func split(height: Int, width: Int, isDrawn: Bool) -> (staying: [Int], others: [Int]) {
    let (rows, columns) = (height / 2, width / 2)
    var stays = [Bool](repeating: false, count: height * width)
    for row in 0..<rows {
      for column in 0..<columns {
        // `torch.randint(4, …)`.
        let choice = isDrawn ? Int(twister.next() % 4) : 0
        stays[(2 * row + choice / 2) * width + 2 * column + choice % 2] = true
      }
    }
    if isDrawn { draws += rows * columns }
    return (stays.indices.filter { stays[$0] }, stays.indices.filter { !stays[$0] })
  }

  /// The group of each token: first the tokens that stay, then those that are not merged.
  private static func groups(
    _ match: (cosines: [Float], places: [Int]), of others: [Int], among staying: [Int], merging count: Int
  ) -> [Int] {
    let order = others.indices.sorted {
      (match.cosines[$0], $1) > (match.cosines[$1], $0)
    }
    var groups = [Int](repeating: 0, count: staying.count + others.count)
    for (place, token) in staying.enumerated() { groups[token] = place }
    for index in order.prefix(count) { groups[others[index]] = match.places[index] }
    for (place, index) in order.dropFirst(count).sorted().enumerated() {
      groups[others[index]] = staying.count + place
    }
    return groups
  }
}
