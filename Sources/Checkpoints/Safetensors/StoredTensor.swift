import CKernels
import Tensors

/// A tensor in a file: its place, type and shape, without its values. Any thread may read it. Only the bytes that are
/// needed are read.
///
/// It may be a view (`rows`, `reshaped`, `transposed`, `renamed`). Key maps of single-file checkpoints use views to
/// take fused tensors apart. It may have patches (from a LoRA), which change the values when they are read, and scales,
/// by which 8-bit values are multiplied.
package struct StoredTensor: Sendable {
  /// The tensor's name. After a key map it is the engine's name, not the file's.
  package private(set) var name: String
  /// The type of the elements in the file.
  package let type: StoredType
  /// The length of every axis, outermost first.
  package private(set) var shape: [Int]
  /// The changes to the values, in the order in which they are made.
  package private(set) var patches: [any WeightPatch] = []
  private let reader: FileReader
  /// Where the tensor begins in the file, in bytes.
  private var offset: Int
  private(set) var isTransposed = false
  /// The scales: none, one for all values, or one for each row.
  private var scales: [Float] = []

  /// - Parameter offset: the offset of its first byte in the file. The file must hold all of its bytes. For a type with
  ///   blocks, the number of elements must be a multiple of a block.
  init(name: String, type: StoredType, shape: [Int], offset: Int, reader: FileReader) {
    self.name = name
    self.type = type
    self.shape = shape
    self.offset = offset
    self.reader = reader
  }

  /// The number of elements.
  package var count: Int { shape.reduce(1, *) }

  /// Bytes in the file.
  package var byteCount: Int { type.byteCount(of: count) }

  /// Whether the values are those of the file, so that `readBytes` returns them.
  package var isRaw: Bool { patches.isEmpty && !isTransposed && scales.isEmpty }

  /// The narrowest type of safetensors that holds the values exactly. With patches, scales or blocks it is single
  /// precision, because half precision would round the values.
  package var exactType: StoredType {
    patches.isEmpty && scales.isEmpty && !type.isBlock ? type : .float32
  }

  /// The path of its file.
  package var path: String { reader.path }

  /// Elements that are converted at a time. Their bytes fit the first-level cache.
  private static let chunk = 8192

  /// All values as floats, with patches applied.
  /// - Throws: `unreadableType`, `changed`, `unreadable`.
  package func read() throws -> Tensor {
    try checkReadable()
    return try Tensor(shape: shape) { try read(into: $0, elements: 0..<count) }
  }

  /// A range of elements in row-major order, with patches applied.
  /// - Throws: `unreadableType`, `changed`, `unreadable`.
  package func elements(_ elements: Range<Int>) throws -> [Float] {
    try [Float](unsafeUninitializedCapacity: elements.count) { buffer, count in
      try read(into: UnsafeMutableBufferPointer(rebasing: buffer[..<elements.count]), elements: elements)
      count = elements.count
    }
  }

  /// Reads a range of elements in row-major order, with patches applied, into a buffer of exactly that size.
  /// - Throws: `unreadableType`, `changed`, `unreadable`.
  package func read(into buffer: UnsafeMutableBufferPointer<Float>, elements: Range<Int>) throws {
    precondition(buffer.count == elements.count && elements.lowerBound >= 0 && elements.upperBound <= count)
    try checkReadable()
    if isTransposed {
      try readTransposed(into: buffer, elements: elements)
    } else {
      try readPlain(into: buffer, from: elements.lowerBound)
    }
    if let whole = scales.first {
      // There is one scale for each row only if the tensor has rows.
      let width = scales.count == 1 ? count : count / scales.count
      for (place, element) in elements.enumerated() {
        buffer[place] *= scales.count == 1 ? whole : scales[element / width]
      }
    }
    for (index, patch) in patches.enumerated() {
      var before = self
      before.patches = Array(patches[..<index])
      try patch.apply(to: buffer, elements: elements, of: before)
    }
  }

  /// Reads a range of the tensor's bytes as they are in the file.
  /// - Throws: `notRaw` if the tensor has patches or scales or is transposed, `changed`, `unreadable`.
  package func readBytes(into buffer: UnsafeMutableRawBufferPointer, range: Range<Int>) throws {
    precondition(buffer.count == range.count && range.lowerBound >= 0 && range.upperBound <= byteCount)
    guard isRaw else { throw CheckpointError.notRaw(name: name, path: path) }
    try reader.read(into: buffer, at: offset + range.lowerBound)
  }

  /// Fails with `changed` if the file has been replaced, cut short or written to since it was opened.
  package func verifyUnchanged() throws { try reader.verifyUnchanged() }

  private func checkReadable() throws {
    switch type {
    case .float32, .float16, .bfloat16, .float64: return
    default:
      guard type.isBlock || type.isFloat8 else {
        throw CheckpointError.unreadableType(name: name, path: path, type: type.rawValue)
      }
    }
  }

  private func readPlain(into buffer: UnsafeMutableBufferPointer<Float>, from first: Int) throws {
    if type.isBlock { return try readBlocks(into: buffer, from: first) }
    let width = type.unit.bits / 8
    let start = offset + first * width
    if type == .float32 { return try reader.read(into: UnsafeMutableRawBufferPointer(buffer), at: start) }
    let size = min(buffer.count, Self.chunk) * width
    try withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { bytes in
      for done in stride(from: 0, to: buffer.count, by: Self.chunk) {
        let count = min(Self.chunk, buffer.count - done)
        let source = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(count * width)])
        try reader.read(into: source, at: start + done * width)
        convert(source, into: UnsafeMutableBufferPointer(rebasing: buffer[done..<(done + count)]))
      }
    }
  }

  /// Reads the blocks that hold a range of elements, some blocks at a time.
  private func readBlocks(into buffer: UnsafeMutableBufferPointer<Float>, from first: Int) throws {
    let (bits, width) = type.unit
    let (size, atOnce) = (bits / 8, Self.chunk / width)
    try withUnsafeTemporaryAllocation(byteCount: atOnce * size, alignment: 8) { bytes in
      try withUnsafeTemporaryAllocation(of: Float.self, capacity: atOnce * width) { floats in
        var done = 0
        while done < buffer.count {
          let block = (first + done) / width
          let skipped = (first + done) % width
          let blocks = min(atOnce, (skipped + buffer.count - done + width - 1) / width)
          let source = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(blocks * size)])
          try reader.read(into: source, at: offset + block * size)
          GGMLBlock.unpack(type, UnsafeRawBufferPointer(source), into: floats)
          let count = min(buffer.count - done, blocks * width - skipped)
          _ = UnsafeMutableBufferPointer(rebasing: buffer[done..<(done + count)])
            .update(fromContentsOf: floats[skipped..<(skipped + count)])
          done += count
        }
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
    case .float64:
      let doubles = source.bindMemory(to: Double.self)
      for index in result.indices { result[index] = Float(doubles[index]) }
    default: Float8.convert(type, UnsafeRawBufferPointer(source), into: result)
    }
  }

  /// Reads the whole tensor, because the elements that are asked for are scattered over the file.
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

  /// Some rows of the outermost axis, for a part of a fused tensor; nil if there are not as many rows.
  package func rows(_ rows: Range<Int>) -> StoredTensor? {
    guard let height = shape.first, height > 0, type.unit.bits >= 8, rows.lowerBound >= 0,
      rows.upperBound <= height, count / height % type.unit.elements == 0,
      !isTransposed, patches.isEmpty
    else { return nil }
    var view = self
    view.offset += rows.lowerBound * (byteCount / height)
    view.shape[0] = rows.count
    if scales.count > 1 { view.scales = Array(scales[rows]) }
    return view
  }

  /// The same elements with another shape, such as a 1×1 convolution as a matrix; nil if the number of elements
  /// differs.
  package func reshaped(_ shape: [Int]) -> StoredTensor? {
    guard shape.reduce(1, *) == count, !isTransposed, patches.isEmpty,
      scales.count <= 1 || shape.first == self.shape[0]
    else { return nil }
    var view = self
    view.shape = shape
    return view
  }

  /// A matrix with its two axes exchanged. nil if it is not a matrix.
  package var transposed: StoredTensor? {
    guard shape.count == 2, !isTransposed, patches.isEmpty, scales.count <= 1 else { return nil }
    var view = self
    view.shape = [shape[1], shape[0]]
    view.isTransposed = true
    return view
  }

  /// The tensor with scales: one for all values, or one for each row; nil for any other count.
  func scaled(by scales: [Float]) -> StoredTensor? {
    guard scales.count == 1 || scales.count == shape.first, self.scales.isEmpty, !isTransposed else {
      return nil
    }
    var view = self
    view.scales = scales
    return view
  }

  /// The tensor with more patches.
  package func patched(_ more: [any WeightPatch]) -> StoredTensor {
    var view = self
    view.patches += more
    return view
  }
}
