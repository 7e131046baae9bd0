import Checkpoints
import Diffusion
import GoldenModels
import Requests
import Tensors
import Testing
import WeightCache

/// Single calls of the UNet that leave work out, against the genuine packages DeepCache and tomesd: relative error at
/// most 1e-4.
@Suite struct CallSavingsTests {
  /// Two calls, of which the second one's output is golden.
  struct Calls: Decodable {
    let name: String
    let model: String
    /// Height and width: `8x8`.
    let latents: String
    let timesteps: [Float]
    let seed: String
    let deepCache: String?
    let tokenMerging: String?
    /// How far the output is from that of the whole work.
    let moved: Double

    /// What the first call leaves out, with latents of a size.
    func savings(_ unet: UNet, positions: Int) throws -> CallSavings {
      let deep = try deepCache.map { try #require(DeepCache(text: $0)) }
      let merging = try tokenMerging.map { try #require(TokenMerging(text: $0)) }
      let seed = try #require(UInt64(seed))
      return CallSavings(
        cut: try deep.map { try FeatureCut($0, in: unet.configuration) },
        merger: merging.map { TokenMerger($0, positions: positions, seed: seed) })
    }
  }

  /// What the second call leaves out.
  private func next(_ first: CallSavings) -> CallSavings {
    CallSavings(cut: first.cut, feature: first.feature, merger: first.merger)
  }

  @Test func secondCalls() throws {
    let list: [Calls] = try Golden.decode("numbers/fewer.json")
    #expect(list.count == 9)
    let golden = try Golden.tensors("numbers/fewer.safetensors")
    for calls in list {
      let unet = try Golden.ModelParts(calls.model).load().unet
      let pass = ForwardPass(compute: Compute(threads: 2))
      let (first, second) = (
        try golden["\(calls.latents).first"].channelsLast, try golden["\(calls.latents).second"].channelsLast
      )
      let added = try unet.configuration.added.map { _ in
        AddedConditions(pooled: try golden["pooled"], sizes: [64, 64, 0, 0, 64, 64])
      }
      let text = try unet.prepare(
        golden["states.\(unet.configuration.contextWidth)"], added: added, pass)
      var savings = try calls.savings(unet, positions: first.shape[1] * first.shape[2])
      _ = try unet(first, timestep: calls.timesteps[0], text: text, saving: &savings, pass)
      savings = next(savings)
      let output = try unet(second, timestep: calls.timesteps[1], text: text, saving: &savings, pass)
      let error = try relativeError(output.channelsFirst, golden["\(calls.name).output"])
      #expect(error < 1e-4, "\(calls.name): relative error \(error)")
      // The whole work is far from it.
      let whole = try unet(second, timestep: calls.timesteps[1], text: text, pass)
      #expect(relativeError(output, whole) > 0.002, "\(calls.name)")
      print("golden call \(calls.name): relative error \(error), moved \(calls.moved)")
    }
  }

  /// A call that keeps its features gives what it gives without, to the bit.
  @Test func keepingChangesNothing() throws {
    let model = try Golden.ModelParts("wide").load()
    let golden = try Golden.tensors("numbers/fewer.safetensors")
    let pass = ForwardPass(compute: Compute(threads: 2))
    let text = try model.unet.prepare(golden["states.32"], pass)
    let latents = try golden["9x11.first"].channelsLast
    let plain = try model.unet(latents, timestep: 500, text: text, pass)
    for branch in 0..<12 {
      let cut = try FeatureCut(DeepCache(interval: 2, branch: branch), in: model.unet.configuration)
      var savings = CallSavings(cut: cut)
      let whole = try model.unet(latents, timestep: 500, text: text, saving: &savings, pass)
      #expect(whole.values == plain.values)
      // And with that feature the outer part alone gives it again.
      savings = next(savings)
      let shallow = try model.unet(latents, timestep: 500, text: text, saving: &savings, pass)
      #expect(shallow.values == plain.values, "branch \(branch)")
    }
    #expect(throws: RequestError.self) {
      try FeatureCut(DeepCache(interval: 2, branch: 12), in: model.unet.configuration)
    }
  }

  /// A map of one row or column has no 2×2 tokens, and very few tokens have none to merge.
  @Test func mapsTooSmallMergeNothing() {
    let compute = Compute(threads: 1)
    for (height, width) in [(1, 8), (8, 1), (1, 1)] {
      var merger = TokenMerger(TokenMerging(ratio: 0.5), positions: height * width, seed: 1)
      let x = Tensor(shape: [2, height * width, 4], repeating: 1)
      #expect(merger.groups(of: x, height: height, width: width, compute) == nil && merger.draws == 0)
    }
    var merger = TokenMerger(TokenMerging(ratio: 0.2), positions: 4, seed: 1)
    #expect(merger.groups(of: Tensor(shape: [2, 4, 3]), height: 2, width: 2, compute) == nil)
    // Tokens without a length, and no numbers at all.
    for value in [Float(0), .nan, .infinity] {
      var merger = TokenMerger(TokenMerging(ratio: 0.75), positions: 6, seed: 1)
      let groups = merger.groups(
        of: Tensor(shape: [2, 6, 3], repeating: value), height: 2, width: 3, compute)
      #expect(groups?.count == 2 && merger.draws == 1)
    }
  }
}
