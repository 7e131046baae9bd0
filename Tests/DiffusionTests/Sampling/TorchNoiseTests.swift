import Diffusion
import GoldenModels
import Tensors
import Testing

/// torch's CPU generator, number by number.
@Suite struct TorchNoiseTests {
  struct Case: Decodable {
    let name: String
    let seed: String
    let counts: [Int]
  }

  @Test func sameAsTorch() throws {
    let cases: [Case] = try Golden.decode("numbers/noise.json")
    let golden = try Golden.tensors("numbers/noise.safetensors")
    #expect(cases.count > 50)
    for entry in cases {
      // Python's seeds may be negative; torch takes their two's complement.
      let seed = try #require(UInt64(entry.seed) ?? Int64(entry.seed).map { UInt64(bitPattern: $0) })
      var noise = TorchNoise(seed: seed)
      let ours = entry.counts.flatMap { noise.normals($0) }
      let theirs = try golden[entry.name].values
      #expect(ours.count == theirs.count, "\(entry.name)")
      let worst = zip(ours, theirs).map { abs($0 - $1) }.max() ?? 0
      #expect(worst < 1e-6, "\(entry.name): \(worst)")
    }
  }
}
