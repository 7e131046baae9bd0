import CKernels
import Tensors

/// A tensor in a file: where it lies and what it is, not its values. Reading is thread-safe and touches
/// only the bytes asked for.
///
/// It may be a view (`rows`, `reshaped`, `transposed`, `renamed`): key maps of single-file checkpoints
/// take fused tensors apart that way. It may carry patches (LoRA), which are added to what is read.
package struct StoredTensor: Sendable {
  /// The name it is known by (after a key map: the engine's name, not the file's).
  package private(set) var name: String
  /// How the file encodes an element.
  package let type: StoredType
  /// The length of every axis, outermost first.
  package private(set) var shape: [Int]
  /// What is added to the values read.
  package private(set) var patches: [any WeightPatch] = []
  private let reader: FileReader
  private var offset: Int
  private(set) var isTransposed = false

  init(name: String, entry: SafetensorsHeader.Entry, dataStart: Int, reader: FileReader) {
    self.name = name
    type = entry.type
    shape = entry.shape
    offset = dataStart + entry.begin
    self.reader = reader
  }

  /// The number of elements.
  package var count: Int { shape.reduce(1, *) }

  /// Bytes in the file.
  package var byteCount: Int { count * type.bitCount / 8 }

  /// Whether its values are simply the file's, so that `readBytes` gives them.
  package var isRaw: Bool { patches.isEmpty && !isTransposed }

  /// The file it is in.
  package var path: String { reader.path }

  /// Elements converted at a time: their bytes stay in the first cache.
  private static let chunk = 8192

  /// All values as floats, patches added. Errors: `unreadableType`, `changed`, `unreadable`.
  package func read() throws -> Tensor {
    try checkReadable()
    return try Tensor(shape: shape) { try read(into: $0, elements: 0..<count) }
  }

  /// The elements `elements` (row-major order), patches added.
  package func elements(_ elements: Range<Int>) throws -> [Float] {
    try [Float](unsafeUninitializedCapacity: elements.count) { buffer, count in
      try read(into: UnsafeMutableBufferPointer(rebasing: buffer[..<elements.count]), elements: elements)
      count = elements.count
    }
  }

  /// The elements `elements` (row-major order), patches added, into a buffer of just that many floats.
  package func read(into buffer: UnsafeMutableBufferPointer<Float>, elements: Range<Int>) throws {
    precondition(buffer.count == elements.count && elements.lowerBound >= 0 && elements.upperBound <= count)
    try checkReadable()
    if isTransposed {
      try readTransposed(into: buffer, elements: elements)
    } else {
      try readPlain(into: buffer, from: elements.lowerBound)
    }
    for patch in patches { patch.add(to: buffer, elements: elements, shape: shape) }
  }

  /// The bytes `range` of the tensor as they lie in the file. Errors: `notRaw` if patched or transposed.
  package func readBytes(into buffer: UnsafeMutableRawBufferPointer, range: Range<Int>) throws {
    precondition(buffer.count == range.count && range.lowerBound >= 0 && range.upperBound <= byteCount)
    guard isRaw else { throw CheckpointError.notRaw(name: name, path: path) }
    try reader.read(into: buffer, at: offset + range.lowerBound)
  }

  /// Fails with `changed` if the file was replaced, cut or written to since it was opened.
  package func verifyUnchanged() throws { try reader.verifyUnchanged() }

  private func checkReadable() throws {
    switch type {
    case .float32, .float16, .bfloat16, .float64: return
    default: throw CheckpointError.unreadableType(name: name, path: path, type: type.rawValue)
    }
  }

  private func readPlain(into buffer: UnsafeMutableBufferPointer<Float>, from first: Int) throws {
    let width = type.bitCount / 8
    let start = offset + first * width
    if type == .float32 { return try reader.read(into: UnsafeMutableRawBufferPointer(buffer), at: start) }
    let size = min(buffer.count, Self.chunk) * width
    try withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { bytes in
      for done in stride(from: 0, to: buffer.count, by: Self.chunk) {
        let part = UnsafeMutableBufferPointer(
          rebasing: buffer[done..<min(done + Self.chunk, buffer.count)])
        let source = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(part.count * width)])
        try reader.read(into: source, at: start + done * width)
        convert(source, into: part)
      }
    }
  }

  private func convert(
    _ source: UnsafeMutableRawBufferPointer, into result: UnsafeMutableBufferPointer<Float>
  ) {
    guard let floats = result.baseAddress else { return }
    switch type {
    case .float16: segmoe_f16_to_f32(source.bindMemory(to: UInt16.self).baseAddress, floats, result.count)
    case .bfloat16: segmoe_bf16_to_f32(source.bindMemory(to: UInt16.self).baseAddress, floats, result.count)
    default:
      let doubles = source.bindMemory(to: Double.self)
      for index in result.indices { result[index] = Float(doubles[index]) }
    }
  }

  /// Reads all of it, since the elements asked for are scattered over the file.
  private func readTransposed(
    into buffer: UnsafeMutableBufferPointer<Float>, elements: Range<Int>
  ) throws {
    let (rows, columns) = (shape[0], shape[1])
    let stored = try Tensor(shape: [columns, rows]) { try readPlain(into: $0, from: 0) }
    stored.withUnsafe { source in
      for (place, element) in elements.enumerated() {
        buffer[place] = source[element % columns * rows + element / columns]
      }
    }
  }
}

// MARK: - Views

extension StoredTensor {
  /// The same tensor under another name.
  package func renamed(_ name: String) -> StoredTensor {
    var view = self
    view.name = name
    return view
  }

  /// The rows `rows` of the outermost axis: a part of a fused tensor. nil if there are not as many.
  package func rows(_ rows: Range<Int>) -> StoredTensor? {
    guard let height = shape.first, height > 0, type.bitCount >= 8, rows.lowerBound >= 0,
      rows.upperBound <= height,
      !isTransposed, patches.isEmpty
    else { return nil }
    var view = self
    view.offset += rows.lowerBound * (byteCount / height)
    view.shape[0] = rows.count
    return view
  }

  /// The same elements in the same order under another shape (a 1×1 convolution as a matrix). nil if the
  /// number of elements differs.
  package func reshaped(_ shape: [Int]) -> StoredTensor? {
    guard shape.reduce(1, *) == count, !isTransposed, patches.isEmpty else { return nil }
    var view = self
    view.shape = shape
    return view
  }

  /// A matrix with its two axes exchanged. nil if it is not a matrix.
  package var transposed: StoredTensor? {
    guard shape.count == 2, !isTransposed, patches.isEmpty else { return nil }
    var view = self
    view.shape = [shape[1], shape[0]]
    view.isTransposed = true
    return view
  }

  /// The same tensor with more added to its values.
  package func patched(_ more: [any WeightPatch]) -> StoredTensor {
    var view = self
    view.patches += more
    return view
  }
}
