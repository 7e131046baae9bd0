import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsWriterTests {
  private typealias Declaration = SafetensorsWriter.Declaration

  @Test func writesWhatItReads() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/new.safetensors"
    let source = try SafetensorsFile(
      path: folder.write(
        "a.safetensors",
        tensors: ["big": TestTensor([300, 1001], seed: 3), "m": TestTensor([2, 3], seed: 4)]))
    let big = try #require(source["big"])
    let matrix = try #require(source["m"])
    let writer = try SafetensorsWriter(
      path: path,
      tensors: [
        Declaration(name: "none", type: .float32, shape: [0, 4]),
        Declaration(name: "copy", type: .float32, shape: [300, 1001]),
        Declaration(name: "half", type: .float16, shape: [300, 1001]),
        Declaration(name: "brain \"é\"", type: .bfloat16, shape: [4]),
        Declaration(name: "turned", type: .float32, shape: [3, 2]),
        Declaration(name: "last", type: .uint8, shape: [0]),
      ], metadata: ["note": "a\n\"b\""])
    try writer.append(big, name: "copy")
    try writer.append(big, name: "half")
    let values: [Float] = [1, 1.00390625, 1.01171875, -3e38]
    try values.withUnsafeBufferPointer {
      try writer.append(UnsafeBufferPointer(rebasing: $0[..<1]), name: "brain \"é\"")
      try writer.append(UnsafeBufferPointer(rebasing: $0[1...]), name: "brain \"é\"")
    }
    try writer.append(#require(matrix.transposed), name: "turned")
    #expect(!folder.names.contains("new.safetensors"))
    try writer.finish()
    #expect(folder.names == ["a.safetensors", "new.safetensors"])
    let file = try SafetensorsFile(path: path)
    #expect(file.metadata == ["format": "pt", "note": "a\n\"b\""])
    #expect(file.count == 6)
    #expect(try file["copy"]?.read().values == big.read().values)
    // The test's values are multiples of 1/16 below 2: exact in half precision.
    #expect(try file["half"]?.read().values == big.read().values)
    #expect(try file["brain \"é\""]?.read().values == [1, 1, 1.015625, Float(bitPattern: 0xff62_0000)])
    #expect(try file["turned"]?.read().values == matrix.transposed?.read().values)
    #expect(file["none"]?.shape == [0, 4])
  }

  @Test func refusesWhatWasNotDeclared() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/new.safetensors"
    do {
      let writer = try SafetensorsWriter(
        path: path,
        tensors: [
          Declaration(name: "a", type: .float32, shape: [2]),
          Declaration(name: "b", type: .int64, shape: [1]),
        ])
      #expect(throws: CheckpointError.self) { try writer.append(Tensor(shape: [2]), name: "b") }
      #expect(throws: CheckpointError.self) { try writer.append(Tensor(shape: [1, 2]), name: "a") }
      #expect(throws: CheckpointError.self) { try writer.append(Tensor(shape: [3]), name: "a") }
      let three: [Float] = [1, 2, 3]
      #expect(throws: CheckpointError.self) {
        try three.withUnsafeBufferPointer { try writer.append($0, name: "a") }
      }
      #expect(throws: CheckpointError.self) { try writer.finish() }
      try writer.append(Tensor(shape: [2]), name: "a")
      #expect(throws: CheckpointError.self) { try writer.append(Tensor(shape: [1]), name: "b") }
      #expect(folder.names.count == 1 && folder.names.first?.hasSuffix(".part") == true)
    }
    // Dropped before its end: nothing is left.
    #expect(folder.names == [])
    for bad in [[-1], [Int.max, 2], [Int.max]] {
      #expect(throws: CheckpointError.self) {
        try SafetensorsWriter(path: path, tensors: [Declaration(name: "a", type: .float32, shape: bad)])
      }
    }
    #expect(throws: CheckpointError.self) {
      try SafetensorsWriter(
        path: path, tensors: Array(repeating: Declaration(name: "a", type: .float32, shape: [1]), count: 2))
    }
    let nowhere = folder.path + "/none/new.safetensors"
    #expect(throws: CheckpointError.unwritable(path: nowhere, reason: "No such file or directory")) {
      try SafetensorsWriter(path: nowhere, tensors: [])
    }
    #expect(folder.names == [])
  }

  @Test func aFileMayHoldNoTensor() throws {
    let folder = try TemporaryFolder()
    let writer = try SafetensorsWriter(path: folder.path + "/a.safetensors", tensors: [])
    try writer.finish()
    #expect(try SafetensorsFile(path: folder.path + "/a.safetensors").count == 0)
  }
}
