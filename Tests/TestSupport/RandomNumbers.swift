/// Random numbers that come again with the same seed (SplitMix64), so that a failure can be repeated.
package struct RandomNumbers: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// - Parameter seed: the same seed gives the same numbers.
  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }

  /// From 0 up to but not including `bound`.
  package mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<max(1, bound), using: &self) }

  /// True once in `chances` times.
  package mutating func isLucky(oneIn chances: Int) -> Bool { below(chances) == 0 }

  /// `count` numbers from −`limit` to `limit`.
  package mutating func floats(_ count: Int, limit: Float = 1) -> [Float] {
    (0..<count).map { _ in Float.random(in: -limit...limit, using: &self) }
  }

  /// `count` bytes.
  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}
