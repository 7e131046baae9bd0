/// numpy's `SeedSequence`: hashes an entropy and the path of a child to seeds that share no pattern (O'Neill, 2015,
/// `seed_seq_fe`).
struct SeedSequence {
  private let pool: [UInt32]

  /// - Parameters:
  ///   - entropy: the seed of all.
  ///   - path: numbers that name a child; empty for the root.
  ///   - poolSize: words of the pool, at least as many as the entropy has.
  init(entropy: UInt64, path: [UInt64] = [], poolSize: Int) {
    var words = Self.words(of: entropy)
    if !path.isEmpty {
      // The path comes after the pool's size, so that no entropy can be mistaken for a path.
      words += Array(repeating: 0, count: max(0, poolSize - words.count)) + path.flatMap(Self.words(of:))
    }
    var constant: UInt32 = 0x43B0_D7E5
    func hash(_ value: UInt32) -> UInt32 {
      var value = value ^ constant
      constant &*= 0x931E_8875
      value &*= constant
      return value ^ (value >> 16)
    }
    func mix(_ x: UInt32, _ y: UInt32) -> UInt32 {
      let value = 0xCA01_F9DD &* x &- 0x4973_F715 &* y
      return value ^ (value >> 16)
    }
    var pool = (0..<poolSize).map { hash($0 < words.count ? words[$0] : 0) }
    for source in 0..<poolSize {
      for target in 0..<poolSize where target != source {
        pool[target] = mix(pool[target], hash(pool[source]))
      }
    }
    for word in words.dropFirst(poolSize) {
      for target in 0..<poolSize { pool[target] = mix(pool[target], hash(word)) }
    }
    self.pool = pool
  }

  /// The first `count` seeds (`generate_state`).
  func seeds(_ count: Int) -> [UInt32] {
    var constant: UInt32 = 0x8B51_F9DD
    return (0..<count).map { index in
      var value = pool[index % pool.count] ^ constant
      constant &*= 0x58F3_8DED
      value &*= constant
      return value ^ (value >> 16)
    }
  }

  /// A number's words of 32 bits, lowest first; at least one.
  private static func words(of number: UInt64) -> [UInt32] {
    let (low, high) = (UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32))
    return high == 0 ? [low] : [low, high]
  }
}
