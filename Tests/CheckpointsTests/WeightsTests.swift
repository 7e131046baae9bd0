import Checkpoints
import Tensors
import TestSupport
import Testing

@Suite struct WeightsTests {
  private func weights(_ folder: TemporaryFolder) throws -> Weights {
    let path = try folder.write(
      "a.safetensors",
      tensors: [
        "down.0.to_q.weight": TestTensor([2, 3], seed: 1), "down.0.to_q.bias": TestTensor([2], seed: 2),
        "down.1.to_q.weight": TestTensor([2, 3], seed: 3), "down.10.norm.weight": TestTensor([2], seed: 4),
        "downs.weight": TestTensor([1], seed: 5),
      ])
    return try Weights(files: [SafetensorsFile(path: path)], path: path)
  }

  @Test func scopesNestAndCheckShapes() throws {
    let folder = try TemporaryFolder()
    let weights = try weights(folder)
    let layer = weights["down"][0]["to_q"]
    #expect(try layer.tensor("weight", shape: [2, 3]).values == TestTensor([2, 3], seed: 1).values)
    #expect(
      try weights["down.1.to_q"].tensor("weight", shape: [2, 3]).values == TestTensor([2, 3], seed: 3).values)
    #expect(layer.has("bias") && !layer.has("bia") && !layer.has("scale"))
    #expect(weights["down"].names == ["0.to_q.bias", "0.to_q.weight", "1.to_q.weight", "10.norm.weight"])
    #expect(layer.shape(of: "bias") == [2])
    #expect(weights["up"].isEmpty && !weights["down"].isEmpty)
    let path = weights.path
    #expect(throws: CheckpointError.missingTensor(name: "down.0.to_k.weight", path: path)) {
      try weights["down"][0]["to_k"].tensor("weight", shape: [2, 3])
    }
    let wrong = CheckpointError.wrongShape(
      name: "down.0.to_q.weight", path: path, expected: [3, 2], found: [2, 3])
    #expect(throws: wrong) { try layer.tensor("weight", shape: [3, 2]) }
    #expect(
      "\(wrong)".contains("down.0.to_q.weight") && "\(wrong)".contains("[3, 2]")
        && "\(wrong)".contains("[2, 3]"))
    #expect("\(wrong)".contains(path))
  }

  @Test func whatIsFetchedIsRemembered() throws {
    let folder = try TemporaryFolder()
    let weights = try weights(folder)
    _ = try weights["down"][0]["to_q"].stored("weight", shape: [2, 3])
    _ = try? weights["down"][0]["to_q"].stored("bias", shape: [7])
    #expect(weights["down"][0].has("to_q.bias"))
    #expect(weights.unusedNames() == ["down.1.to_q.weight", "down.10.norm.weight", "downs.weight"])
    #expect(weights["down"][1].unusedNames() == ["down.1.to_q.weight"])
  }

  @Test func filesJoinAndRename() throws {
    let folder = try TemporaryFolder()
    let one = try SafetensorsFile(
      path: folder.write("1.safetensors", tensors: ["m.a": TestTensor([1], seed: 1)]))
    let two = try SafetensorsFile(
      path: folder.write(
        "2.safetensors", tensors: ["m.b": TestTensor([1], seed: 2), "ema.b": TestTensor([1], seed: 3)]))
    let weights = try Weights(files: [one, two], path: folder.path) { name in
      name.hasPrefix("m.") ? String(name.dropFirst(2)) : nil
    }
    #expect(weights.names == ["a", "b"])
    #expect(try weights.tensor("b", shape: [1]).values == TestTensor([1], seed: 2).values)
    #expect(throws: CheckpointError.self) { try Weights(files: [one, one], path: folder.path) }
  }

  /// Adds 1 to every element and 10 × its place, so that parts are told apart.
  private struct Ramp: WeightPatch {
    func apply(
      to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
    ) {
      for (place, element) in elements.enumerated() { values[place] += 1 + 10 * Float(element) }
    }
  }

  @Test func patchesFollowTheTensorHoweverItIsRead() throws {
    let folder = try TemporaryFolder()
    let patched = try weights(folder).patched(["down.0.to_q.weight": [Ramp(), Ramp()]])
    let expected = TestTensor([2, 3], seed: 1).values.enumerated().map { $1 + 2 + 20 * Float($0) }
    let stored = try patched["down"][0]["to_q"].stored("weight", shape: [2, 3])
    #expect(try stored.read().values == expected)
    var part = [Float](repeating: 0, count: 3)
    try part.withUnsafeMutableBufferPointer { try stored.read(into: $0, elements: 2..<5) }
    #expect(part == Array(expected[2..<5]))
    #expect(!stored.isRaw)
    #expect(
      try patched["down"][1]["to_q"].tensor("weight", shape: [2, 3]).values
        == TestTensor([2, 3], seed: 3).values)
  }
}
