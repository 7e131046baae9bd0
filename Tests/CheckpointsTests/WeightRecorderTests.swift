import Checkpoints
import Testing

/// What weights that are not there say, and what is noted of it.
@Suite struct WeightRecorderTests {
  @Test func eachNameOnceInOrder() throws {
    let recorder = WeightRecorder()
    let weights = Weights(recording: recorder)
    #expect(!weights.isEmpty && !weights.has("a.weight"))
    let rows = try weights["b"].rows("weight", shape: [4, 2, 3, 3])
    let bias = try weights["b"].tensor("bias", shape: [4])
    _ = try weights["a"][0].tensor("weight", shape: [2])
    _ = try weights["b"].layers(in: .int8).tensor("bias", shape: [4])
    #expect(rows.isMeta && rows.count == 4 && rows.width == 18)
    #expect(bias.isMeta && bias.shape == [4])
    #expect(
      recorder.requests == [
        .init(name: "b.weight", shape: [4, 2, 3, 3]), .init(name: "b.bias", shape: [4]),
        .init(name: "a.0.weight", shape: [2]),
      ])
  }
}
