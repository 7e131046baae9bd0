import Checkpoints
import Foundation
import Tensors

/// A render between two steps. Together with the request and the model it is everything that the rest of the render
/// needs.
///
/// As bytes, little-endian: magic with the format's number, key, step, noise stream, latents, the scheduler's
/// history, with `deep_cache` the latents of the last whole call, and the seal of everything before it.
package struct ResumeState: Sendable {
  /// Steps done.
  package var step: Int
  let noise: TorchNoise
  /// `[1, height, width, channel]`.
  package var latents: Tensor
  /// What the sampler remembers of earlier steps.
  package var history: SchedulerHistory
  /// The latents before the last step that called the UNet as a whole, from which its feature map is made anew. Tens of
  /// kilobytes in the place of tens of megabytes. nil without `deep_cache`, before the first step and after the last.
  package var wholeLatents: Tensor?

  private static let magic = Array("SGMCHK03".utf8)

  private init(
    step: Int, noise: TorchNoise, latents: Tensor, history: SchedulerHistory, wholeLatents: Tensor?
  ) {
    self.step = step
    self.noise = noise
    self.latents = latents
    self.history = history
    self.wholeLatents = wholeLatents
  }

  /// The state of a render after its latest step.
  package init(_ denoising: Denoising) {
    self.init(
      step: denoising.step, noise: denoising.noise, latents: denoising.latents,
      history: denoising.scheduler.history, wholeLatents: denoising.deep?.latents)
  }

  /// The state as bytes.
  /// - Parameters:
  ///   - key: identifies what the state belongs to; 64 characters.
  ///   - seal: the key that nobody else has.
  func sealed(key: String, with seal: SealingKey) -> [UInt8] {
    var writer = ByteWriter()
    writer.bytes(Self.magic)
    writer.bytes(Array(key.utf8))
    writer.integer(UInt32(step))
    let noise = noise.state
    writer.integer(UInt32(noise.position))
    for word in noise.words { writer.integer(word) }
    writer.integer(noise.spare == nil ? 0 : 1 as UInt32)
    writer.integer((noise.spare ?? 0).bitPattern)
    writer.tensor(latents)
    writer.integer(UInt32(history.counters.count))
    for counter in history.counters { writer.integer(UInt64(bitPattern: Int64(counter))) }
    writer.integer(UInt32(history.tensors.count))
    for tensor in history.tensors { writer.tensor(tensor) }
    if let wholeLatents { writer.tensor(wholeLatents) }
    return writer.data + seal.seal(of: writer.data)
  }

  /// Reads a state from bytes, which may be anything.
  /// - Parameters:
  ///   - bytes: the sealed state.
  ///   - key: must be what the state belongs to.
  ///   - seal: must be the key that it was sealed with.
  ///   - steps: the render's number of steps.
  ///   - isCut: whether some of them leave the deep part of the UNet out.
  ///   - shape: the shape of the latents, and of every tensor in the history.
  ///   - counters: the history's counters after a number of steps.
  /// - Returns: nil unless everything is as expected and all numbers are finite.
  init?(
    sealed bytes: [UInt8], key: String, with seal: SealingKey, steps: Int, isCut: Bool, shape: [Int],
    counters: (Int) -> [Int]
  ) {
    let body = Array(bytes.dropLast(SealingKey.length))
    guard seal.holds(Array(bytes.suffix(SealingKey.length)), of: body) else { return nil }
    var reader = ByteReader(body)
    guard reader.take(Self.magic), reader.take(Array(key.utf8)),
      let step = reader.integer(UInt32.self), step <= steps,
      let noise = reader.noise(),
      let latents = reader.tensor(of: shape)
    else { return nil }
    let expected = counters(Int(step))
    guard reader.take(UInt32(expected.count)),
      expected.allSatisfy({ reader.take(UInt64(bitPattern: Int64($0))) }),
      let tensorCount = SchedulerHistory.tensorCount(of: expected), reader.take(UInt32(tensorCount))
    else { return nil }
    var tensors: [Tensor] = []
    for _ in 0..<tensorCount {
      guard let tensor = reader.tensor(of: shape) else { return nil }
      tensors.append(tensor)
    }
    var wholeLatents: Tensor?
    if isCut, 0 < step, step < steps {
      guard let tensor = reader.tensor(of: shape) else { return nil }
      wholeLatents = tensor
    }
    guard reader.isAtEnd, let history = SchedulerHistory(tensors: tensors, counters: expected) else {
      return nil
    }
    self.init(
      step: Int(step), noise: noise, latents: latents, history: history, wholeLatents: wholeLatents)
  }
}

private struct ByteWriter {
  private(set) var data: [UInt8] = []

  mutating func bytes(_ bytes: [UInt8]) { data += bytes }

  mutating func integer(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { data += $0 }
  }

  mutating func tensor(_ tensor: Tensor) {
    integer(UInt32(tensor.shape.count))
    for length in tensor.shape { integer(UInt32(length)) }
    tensor.withUnsafe { values in
      data.reserveCapacity(data.count + values.count * 4)
      for value in values { integer(value.bitPattern) }
    }
  }
}

/// Reads bytes and checks that they are what is expected.
private struct ByteReader {
  private let data: [UInt8]
  private var position = 0

  init(_ data: [UInt8]) { self.data = data }

  var isAtEnd: Bool { position == data.count }

  /// Takes the next bytes; false if they are not these.
  mutating func take(_ bytes: [UInt8]) -> Bool {
    guard data[position...].starts(with: bytes) else { return false }
    position += bytes.count
    return true
  }

  /// Takes the next number; false if it is not this one.
  mutating func take(_ expected: some FixedWidthInteger) -> Bool {
    integer(type(of: expected)) == expected
  }

  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
    let size = MemoryLayout<Value>.size
    guard size <= data.count - position else { return nil }
    defer { position += size }
    let value = data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Value.self) }
    return Value(littleEndian: value)
  }

  /// Takes a tensor of this shape; nil if there are too few bytes or a number is not finite.
  mutating func tensor(of shape: [Int]) -> Tensor? {
    let count = shape.reduce(1, *)
    guard take(UInt32(shape.count)), shape.allSatisfy({ take(UInt32($0)) }),
      count <= (data.count - position) / 4
    else { return nil }
    let values = (0..<count).compactMap { _ in integer(UInt32.self).map { Float(bitPattern: $0) } }
    guard values.count == count, values.allSatisfy(\.isFinite) else { return nil }
    return Tensor(shape: shape, values: values)
  }

  mutating func noise() -> TorchNoise? {
    guard let position = integer(UInt32.self) else { return nil }
    let words = (0..<TorchNoise.State.wordCount).compactMap { _ in integer(UInt32.self) }
    guard words.count == TorchNoise.State.wordCount,
      let hasSpare = integer(UInt32.self), hasSpare <= 1, let bits = integer(UInt64.self)
    else { return nil }
    let spare = Double(bitPattern: bits)
    guard spare.isFinite else { return nil }
    return TorchNoise(
      state: .init(words: words, position: Int(position), spare: hasSpare == 0 ? nil : spare))
  }
}
