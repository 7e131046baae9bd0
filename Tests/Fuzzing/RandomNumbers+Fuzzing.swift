import TestSupport

extension RandomNumbers {
  /// The numbers of one case: case n of a seed has the same every time.
  init(seed: UInt64, case number: Int) {
    self.init(seed: seed &* 0xd134_2543_de82_ef95 &+ UInt64(number))
    _ = next()
  }

  /// Changes bytes at one to `most` places: another byte, a bit, a piece taken away, put in or repeated.
  /// - Parameters:
  ///   - first: what is before it stays.
  ///   - pieces: what the format likes.
  package mutating func mutate(
    _ bytes: inout [UInt8], most: Int = 4, from first: Int = 0, pieces: [String] = []
  ) {
    for _ in 0...below(most) where bytes.count > first {
      let place = first + below(bytes.count - first)
      switch below(pieces.isEmpty ? 5 : 6) {
      case 0: bytes[place] = UInt8.random(in: 0...255, using: &self)
      case 1: bytes[place] ^= 1 << UInt8(below(8))
      case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + below(20)))
      case 3: bytes.insert(UInt8.random(in: 0...255, using: &self), at: place)
      case 4: bytes.insert(contentsOf: bytes[(first + below(bytes.count - first))...].prefix(30), at: place)
      default: bytes.insert(contentsOf: Array(pieces[below(pieces.count)].utf8), at: place)
      }
    }
  }
}
