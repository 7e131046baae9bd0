import Checkpoints
import Foundation

/// A folder that is gone with the test.
struct TestFolder: ~Copyable {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("checkpoints-\(UUID().uuidString)")
    .path

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, with the folders on its way, and gives its path.
  @discardableResult func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  @discardableResult func write(_ name: String, _ text: String) throws -> String {
    try write(name, Array(text.utf8))
  }

  /// Writes F32 tensors.
  @discardableResult func write(_ name: String, tensors: [String: TestTensor]) throws -> String {
    try write(name, safetensors(tensors))
  }

  var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
}

struct TestTensor {
  var shape: [Int]
  var values: [Float]

  init(_ shape: [Int], _ values: [Float]) {
    self.shape = shape
    self.values = values
  }

  /// Values that tell places apart: small, signed, no two neighbours alike.
  init(_ shape: [Int], seed: Int) {
    let count = shape.reduce(1, *)
    self.init(shape, (0..<count).map { Float(($0 * 37 + seed * 101) % 41 - 20) / 16 })
  }
}

func littleEndian(_ values: [Float]) -> [UInt8] {
  values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
}

/// A file of a header's text and data, whatever they are.
func safetensors(header: String, data: [UInt8]) -> [UInt8] {
  withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8) + data
}

func safetensors(_ tensors: [String: TestTensor], metadata: [String: String] = [:]) -> [UInt8] {
  var entries: [String] = []
  if !metadata.isEmpty {
    entries.append("\"__metadata__\":" + JSONValue.object(metadata.mapValues(JSONValue.string)).text)
  }
  var data: [UInt8] = []
  for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
    let begin = data.count
    data += littleEndian(tensor.values)
    entries.append(
      #""\#(name)":{"dtype":"F32","shape":\#(tensor.shape),"data_offsets":[\#(begin),\#(data.count)]}"#)
  }
  return safetensors(header: "{" + entries.joined(separator: ",") + "}", data: data)
}

/// A small generator with a seed (SplitMix64), so that a failure comes again.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
