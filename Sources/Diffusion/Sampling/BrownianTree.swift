import Foundation
import Tensors

/// A Brownian motion that its seed determines, wherever and in whatever order it is looked at: a tree of halved
/// intervals, each of whose middles has noise of its own (Li et al., 2020; torchsde's `BrownianInterval` with
/// `halfway_tree`, as diffusers' `BrownianTreeNoiseSampler` sets it up).
package struct BrownianTree: Sendable {
  private let entropy: UInt64
  private let start: Double
  private let end: Double
  /// `end` − `start` before rounding.
  private let length: Double

  /// An interval of the tree: where it is, and its place.
  private struct Node {
    let start: Double
    let end: Double
    /// The turns from the root, as a binary number.
    let path: UInt64
    let depth: UInt64
  }

  /// - Parameters:
  ///   - start: the start of the time that can be looked at.
  ///   - end: the end of it, above `start`.
  ///   - seed: determines the motion.
  package init(from start: Double, to end: Double, seed: UInt64) {
    entropy = seed
    self.start = Self.rounded(start)
    self.end = Self.rounded(end)
    length = end - start
  }

  /// How far the motion goes between two times.
  /// - Parameters:
  ///   - first: a time. Times outside of the tree count as its ends.
  ///   - second: a later time.
  ///   - shape: `[1, height, width, channel]`; numbers are drawn in torch's order.
  /// - Returns: nil if both times are the same, to six decimals.
  package func increment(from first: Double, to second: Double, shape: [Int]) -> Tensor? {
    let from = Self.rounded(max(start, min(end, first)))
    let to = Self.rounded(max(start, min(end, second)))
    guard from < to else { return nil }
    let scale = Float(length.squareRoot())
    let seed = SeedSequence(entropy: entropy, poolSize: Self.poolSize).seeds(1)[0]
    let whole = Self.noise(seed, shape)
    let root = Node(start: start, end: end, path: 0, depth: 0)
    var sum: Tensor?
    add(from, to, of: root, moved: combine(scale, whole, 0, whole), to: &sum)
    return sum
  }

  private static let poolSize = 24

  /// Adds the part of an interval that lies between two times of it, from left to right.
  private func add(_ from: Double, _ to: Double, of node: Node, moved: Tensor, to sum: inout Tensor?) {
    if from == node.start, to == node.end {
      sum = sum.map { combine(1, $0, 1, moved) } ?? moved
      return
    }
    let middle = Self.rounded(0.5 * (node.end + node.start))
    // Six decimals cannot be halved for ever. Between two neighbours there is nothing to look at.
    guard node.start < middle, middle < node.end else { return }
    let (before, after) = (middle - node.start, node.end - middle)
    let share = 1 / (node.end - node.start)
    let seed = SeedSequence(entropy: entropy, path: [node.path, node.depth], poolSize: Self.poolSize).seeds(
      1)[0]
    let noise = Self.noise(seed, moved.shape)
    let left = combine(Float(before * share), moved, Float((before * after * share).squareRoot()), noise)
    if from < middle {
      let child = Node(start: node.start, end: middle, path: 2 * node.path, depth: node.depth + 1)
      add(from, min(to, middle), of: child, moved: left, to: &sum)
    }
    if to > middle {
      let child = Node(start: middle, end: node.end, path: 2 * node.path + 1, depth: node.depth + 1)
      add(max(from, middle), to, of: child, moved: combine(1, moved, -1, left), to: &sum)
    }
  }

  private static func noise(_ seed: UInt32, _ shape: [Int]) -> Tensor {
    var stream = TorchNoise(seed: UInt64(seed))
    return stream.latents(channels: shape[3], height: shape[1], width: shape[2])
  }

  /// Python's `round(value, 6)`: the decimal that is nearest to the exact value.
  private static func rounded(_ value: Double) -> Double {
    Double(String(format: "%.6f", value)) ?? value
  }
}
