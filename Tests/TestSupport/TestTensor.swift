import Foundation

/// A tensor of 32-bit floats as it is in a file.
package struct TestTensor: Sendable {
  /// Its lengths, the outermost first.
  package var shape: [Int]
  /// Its elements in rows.
  package var values: [Float]

  /// A tensor of these elements.
  package init(_ shape: [Int], _ values: [Float]) {
    self.shape = shape
    self.values = values
  }

  /// Values that tell places apart: small, signed, no two neighbours alike.
  package init(_ shape: [Int], seed: Int) {
    let count = shape.reduce(1, *)
    self.init(shape, (0..<count).map { Float(($0 * 37 + seed * 101) % 41 - 20) / 16 })
  }
}

/// The bytes of floats as a file has them.
package func littleEndian(_ values: [Float]) -> [UInt8] {
  values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
}

/// A safetensors file of a header's text and data, whatever they are.
package func safetensors(header: String, data: [UInt8]) -> [UInt8] {
  withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8) + data
}

/// A safetensors file of tensors, sorted by name.
/// - Parameters:
///   - tensors: the tensors by name; names need no escapes.
///   - metadata: what the file says of itself.
package func safetensors(_ tensors: [String: TestTensor], metadata: [String: String] = [:]) -> [UInt8] {
  var entries: [String] = []
  if !metadata.isEmpty, let text = try? JSONEncoder().encode(metadata) {
    entries.append("\"__metadata__\":" + String(decoding: text, as: UTF8.self))
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

/// A safetensors file without tensors whose header is padded with spaces.
/// - Parameter bytes: the header's length, at least 2.
package func safetensors(headerBytes bytes: Int) -> [UInt8] {
  safetensors(header: "{" + String(repeating: " ", count: bytes - 2) + "}", data: [])
}

extension TemporaryFolder {
  /// Writes a safetensors file.
  /// - Returns: the file's path.
  @discardableResult package func write(_ name: String, tensors: [String: TestTensor]) throws -> String {
    try write(name, safetensors(tensors))
  }
}
