/// A GGUF file of 32-bit floats, as a seed of cases or in place of what a converter writes.
package struct GGUFBytes {
  /// A tensor, its outermost axis first.
  package struct Tensor {
    let name: String
    let shape: [Int]
    let values: [Float]

    package init(_ name: String, _ shape: [Int], _ values: [Float]) {
      self.name = name
      self.shape = shape
      self.values = values
    }
  }

  /// The whole file.
  package let bytes: [UInt8]

  /// - Parameter type: what the head says of all tensors; 0 is F32, which they are.
  package init(_ tensors: [Tensor], type: UInt32 = 0) {
    func number<Integer: FixedWidthInteger>(_ value: Integer) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian, Array.init)
    }
    func text(_ value: String) -> [UInt8] { number(UInt64(value.utf8.count)) + Array(value.utf8) }
    func padding(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: (32 - count % 32) % 32) }
    var head = Array("GGUF".utf8) + number(UInt32(3)) + number(UInt64(tensors.count)) + number(UInt64(1))
    head += text("general.architecture") + number(UInt32(8)) + text("sd1")
    var data: [UInt8] = []
    for tensor in tensors {
      head += text(tensor.name) + number(UInt32(tensor.shape.count))
      for length in tensor.shape.reversed() { head += number(UInt64(length)) }
      head += number(type) + number(UInt64(data.count))
      for value in tensor.values { withUnsafeBytes(of: value.bitPattern.littleEndian) { data += $0 } }
      data += padding(data.count)
    }
    bytes = head + padding(head.count) + data
  }
}
