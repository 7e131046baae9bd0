import Foundation
import Tensors

/// The stream of normal numbers that torch's CPU generator gives for a seed.
///
/// `at::CPUGeneratorImpl` is a 32-bit Mersenne twister seeded with the low 32 bits. For 16 or more values, `randn` is
/// `normal_fill`: Box–Muller over blocks of 16. For fewer values it is Box–Muller in double, which keeps its second
/// value for the next draw.
package struct TorchNoise: Sendable {
  private var twister: MersenneTwister
  private var spare: Double?

  /// - Parameter seed: as for `torch.Generator().manual_seed`.
  package init(seed: UInt64) {
    twister = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed))
  }

  /// The position of the stream, for a resume state.
  package struct State: Sendable, Equatable {
    /// Number of words in the twister's state.
    package static let wordCount = 624

    /// The twister's state, `wordCount` words.
    package var words: [UInt32]
    /// The next word to hand out, 0…624.
    package var position: Int
    package var spare: Double?

    package init(words: [UInt32], position: Int, spare: Double?) {
      self.words = words
      self.position = position
      self.spare = spare
    }
  }

  package var state: State {
    State(words: twister.state, position: twister.position, spare: spare)
  }

  /// Continues another stream; nil for an impossible state.
  package init?(state: State) {
    guard let twister = MersenneTwister(words: state.words, position: state.position) else { return nil }
    self.twister = twister
    spare = state.spare
  }

  /// Standard normal numbers, drawn in torch's order, `[batch, channel, height, width]`, and returned channels last.
  package mutating func latents(channels: Int, height: Int, width: Int) -> Tensor {
    Tensor(shape: [1, channels, height, width], values: normals(channels * height * width)).channelsLast
  }

  /// The next `count` numbers of `torch.randn(count)`.
  package mutating func normals(_ count: Int) -> [Float] {
    guard count >= 16 else { return (0..<count).map { _ in Float(nextNormal()) } }
    var values = (0..<count).map { _ in nextUniform() }
    for start in stride(from: 0, through: count - 16, by: 16) { Self.transform(&values, start) }
    if count % 16 != 0 {
      // As torch does, the last 16 values are drawn anew, over part of the last whole block.
      let start = count - 16
      for index in start..<count { values[index] = nextUniform() }
      Self.transform(&values, start)
    }
    return values
  }

  /// Box–Muller of 16 uniforms: radii from the first eight, angles from the last eight.
  private static func transform(_ values: inout [Float], _ start: Int) {
    for index in start..<start + 8 {
      // In double, because an angle rounded to 24 bits would change the seventh digit.
      let radius = (-2 * log(1 - Double(values[index]))).squareRoot()
      let angle = 2 * Double.pi * Double(values[index + 8])
      values[index] = Float(radius * cos(angle))
      values[index + 8] = Float(radius * sin(angle))
    }
  }

  /// 24 random bits as a number in [0, 1).
  private mutating func nextUniform() -> Float {
    Float(twister.next() & 0xFF_FFFF) * 0x1p-24
  }

  private mutating func nextNormal() -> Double {
    if let value = spare {
      spare = nil
      return value
    }
    let first = nextUniform53()
    let second = nextUniform53()
    let radius = (-2 * log1p(-second)).squareRoot()
    spare = radius * sin(2 * .pi * first)
    return radius * cos(2 * .pi * first)
  }

  /// 53 random bits as a number in [0, 1).
  private mutating func nextUniform53() -> Double {
    let high = UInt64(twister.next())
    let low = UInt64(twister.next())
    return Double((high << 32 | low) & ((1 << 53) - 1)) * 0x1p-53
  }
}

/// MT19937 (Matsumoto and Nishimura, 1998), as torch seeds it.
package struct MersenneTwister: Sendable {
  fileprivate private(set) var state: [UInt32]
  fileprivate private(set) var position = 624

  package init(seed: UInt32) {
    state = [seed]
    state.reserveCapacity(624)
    for index in 1..<624 {
      let last = state[index - 1]
      state.append(1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(index))
    }
  }

  fileprivate init?(words: [UInt32], position: Int) {
    guard words.count == 624, (0...624).contains(position) else { return nil }
    state = words
    self.position = position
  }

  /// 32 random bits.
  package mutating func next() -> UInt32 {
    if position == 624 { twist() }
    var bits = state[position]
    position += 1
    bits ^= bits >> 11
    bits ^= (bits << 7) & 0x9D2C_5680
    bits ^= (bits << 15) & 0xEFC6_0000
    return bits ^ (bits >> 18)
  }

  private mutating func twist() {
    for index in 0..<624 {
      let joined = (state[index] & 0x8000_0000) | (state[(index + 1) % 624] & 0x7FFF_FFFF)
      state[index] =
        state[(index + 397) % 624] ^ (joined >> 1) ^ (joined & 1 == 0 ? 0 : 0x9908_B0DF)
    }
    position = 0
  }
}
