/// An owned, contiguous, row-major array of 32-bit floats with a shape.
///
/// Pictures and latents are channels last: `[batch, height, width, channel]`. Tokens are
/// `[batch, sequence, channel]`, which is the same memory. A tensor is a value: a copy shares its
/// storage until one of the two is written to.
package struct Tensor: Sendable {
  /// The length of every axis, outermost first.
  package let shape: [Int]
  private var storage: FloatStorage

  /// The number of elements.
  package var count: Int { storage.count }

  /// A tensor filled with `value`.
  package init(shape: [Int], repeating value: Float = 0) {
    self.init(uninitialized: shape)
    storage.base.initialize(repeating: value, count: storage.count)
  }

  /// A tensor whose elements `fill` writes; it must write all of them.
  package init(shape: [Int], fill: (UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
    self.init(uninitialized: shape)
    try fill(UnsafeMutableBufferPointer(start: storage.base, count: storage.count))
  }

  /// A tensor of given elements. `values.count` must be the product of `shape`.
  package init(shape: [Int], values: [Float]) {
    precondition(values.count == shape.reduce(1, *), "\(values.count) values for shape \(shape)")
    self.init(uninitialized: shape)
    values.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { storage.base.update(from: base, count: source.count) }
    }
  }

  /// A meta tensor: a shape without elements. A network is planned with meta tensors before a byte of it is read.
  /// Reading or writing elements is a programmer's error.
  /// - Parameters:
  ///   - shape: the length of every axis.
  ///   - meter: counts its bytes while it exists.
  package init(meta shape: [Int], meter: MemoryMeter? = nil) {
    self.shape = shape
    storage = FloatStorage(metaCount: shape.reduce(1, *), meter: meter)
  }

  /// Whether this is a meta tensor, without elements.
  package var isMeta: Bool { storage.isMeta }

  /// Stands for writing to a meta tensor: makes a copy if another value shares it.
  mutating func planWrite() {
    if !isKnownUniquelyReferenced(&storage) {
      storage = FloatStorage(metaCount: storage.count, meter: storage.meter)
    }
  }

  /// Where a meta tensor's bytes are counted.
  var meter: MemoryMeter? { storage.meter }

  private init(uninitialized shape: [Int]) {
    self.shape = shape
    storage = FloatStorage(count: shape.reduce(1, *))
  }

  private init(shape: [Int], storage: FloatStorage) {
    self.shape = shape
    self.storage = storage
  }

  /// The same elements under another shape of equal count. No copy.
  package func reshaped(_ shape: [Int]) -> Tensor {
    precondition(shape.reduce(1, *) == count, "cannot view \(self.shape) as \(shape)")
    return Tensor(shape: shape, storage: storage)
  }

  /// The elements as an array, in row-major order.
  package var values: [Float] {
    withUnsafe { Array($0) }
  }

  /// Reads the elements in place.
  package func withUnsafe<R>(_ body: (UnsafeBufferPointer<Float>) throws -> R) rethrows -> R {
    precondition(!isMeta, "a meta tensor has no elements")
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeBufferPointer(start: storage.base, count: storage.count))
  }

  /// Bytes that the elements take in memory.
  package var byteCount: Int { count * MemoryLayout<Float>.stride }

  /// Shows `body` the elements' bytes.
  package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafe { body(UnsafeRawBufferPointer($0)) }
  }

  /// Whether another value shares the elements, so that writing them would copy them.
  mutating func isShared() -> Bool { !isKnownUniquelyReferenced(&storage) }

  /// Writes the elements in place, copying first if another value shares them.
  package mutating func withUnsafeMutable<R>(
    _ body: (UnsafeMutableBufferPointer<Float>) throws -> R
  ) rethrows -> R {
    precondition(!isMeta, "a meta tensor has no elements")
    if !isKnownUniquelyReferenced(&storage) { storage = FloatStorage(copying: storage) }
    return try body(UnsafeMutableBufferPointer(start: storage.base, count: storage.count))
  }
}

/// 64-byte aligned floats, freed with the last tensor that shares them.
private final class FloatStorage: @unchecked Sendable {
  // Unchecked: written only through a uniquely referenced Tensor.
  let base: UnsafeMutablePointer<Float>
  let count: Int
  let isMeta: Bool
  let meter: MemoryMeter?
  private let block: MemoryBlock

  init(count: Int) {
    self.count = count
    isMeta = false
    meter = nil
    block = MemoryBlock(byteCount: max(count, 1) * MemoryLayout<Float>.stride)
    base = block.base.bindMemory(to: Float.self, capacity: max(count, 1))
  }

  /// Stands for `count` floats.
  init(metaCount count: Int, meter: MemoryMeter?) {
    self.count = count
    self.meter = meter
    isMeta = true
    meter?.take(count * MemoryLayout<Float>.stride)
    block = MemoryBlock(byteCount: MemoryLayout<Float>.stride)
    base = block.base.bindMemory(to: Float.self, capacity: 1)
  }

  convenience init(copying other: FloatStorage) {
    self.init(count: other.count)
    base.update(from: other.base, count: count)
  }

  deinit { if isMeta { meter?.give(count * MemoryLayout<Float>.stride) } }
}
