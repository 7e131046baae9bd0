/// Random numbers that are the same for a seed on every machine and in every version (Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", 2014; constants of Vigna's splitmix64.c).
///
/// What is made of the numbers is written down here, too, because the standard library may change its ways.
package struct SplitMix64: RandomNumberGenerator, Sendable {
  /// Goes up by the same odd number each time.
  package private(set) var state: UInt64

  /// - Parameter state: the seed.
  package init(state: UInt64) { self.state = state }

  /// A generator for one of several things that have one seed.
  /// - Parameters:
  ///   - seed: the seed of all.
  ///   - places: which of them it is. Each number is mixed in, so that no two generators go the same way.
  package init(seed: UInt64, places: [UInt64]) {
    state = seed
    for place in places { state = next() ^ place }
    state = next()
  }

  /// 64 random bits.
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A whole number from 0 up to but not including `bound`: the high half of the product of both. For bounds below 2^32 no
  /// number is more likely than another by more than one in 2^32.
  package mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(max(1, bound))).high)
  }

  /// One of several things.
  /// - Parameter weights: numbers from 0 on. What weighs 0 is chosen only if nothing weighs more.
  /// - Returns: an index of `weights`, 0 if there are none.
  package mutating func index(_ weights: [Double]) -> Int {
    let sum = weights.reduce(0, +)
    guard sum > 0 else { return below(weights.count) }
    // 53 bits, so that the share is below 1.
    var rest = Double(next() >> 11) * 0x1p-53 * sum
    var last = 0
    for (index, weight) in weights.enumerated() where weight > 0 {
      if rest < weight { return index }
      rest -= weight
      last = index
    }
    return last
  }
}
