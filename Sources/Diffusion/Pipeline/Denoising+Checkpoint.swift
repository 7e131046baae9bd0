import Checkpoints
import Foundation
import Release
import Tensors

extension Renderer {
  /// What a checkpoint of this render is good for: the same request, weights and program. As text of the
  /// whole request, so that a field added to it counts by itself.
  private func key(of request: RenderRequest) -> String {
    var digest = Digest()
    for part in [Version.current, model.digest, model.precision.rawValue, String(reflecting: request)] {
      digest.add(Array("\(part.utf8.count):\(part)".utf8))
    }
    return digest.hexadecimal()
  }

  /// A render between two steps as bytes, to be taken up by `restore`.
  package func checkpoint(_ denoising: Denoising, of request: RenderRequest) -> [UInt8] {
    var writer = CheckpointWriter()
    writer.bytes(CheckpointFormat.magic)
    writer.bytes(Array(key(of: request).utf8))
    writer.integer(UInt32(denoising.step))
    let noise = denoising.noise.state
    writer.integer(UInt32(noise.position))
    for word in noise.words { writer.integer(word) }
    writer.integer(noise.spare == nil ? 0 : 1 as UInt32)
    writer.integer((noise.spare ?? 0).bitPattern)
    writer.tensor(denoising.latents)
    let history = denoising.scheduler.history
    writer.integer(UInt32(history.counters.count))
    for counter in history.counters { writer.integer(UInt64(bitPattern: Int64(counter))) }
    writer.integer(UInt32(history.tensors.count))
    for tensor in history.tensors { writer.tensor(tensor) }
    return writer.sealed()
  }

  /// Takes up a render that `begin` has just begun where a checkpoint left it.
  /// - Returns: false, and changes nothing, if the bytes are damaged or of another request, other
  ///   weights or another version: then the render simply starts at its first step.
  package func restore(_ denoising: inout Denoising, from bytes: [UInt8], of request: RenderRequest) -> Bool {
    guard var reader = CheckpointReader(sealed: bytes),
      reader.bytes(CheckpointFormat.magic.count) == CheckpointFormat.magic,
      reader.bytes(64) == Array(key(of: request).utf8),
      let step = reader.integer(UInt32.self), step <= denoising.steps,
      let noise = reader.noise(),
      let latents = reader.tensor(), latents.shape == denoising.latents.shape,
      let history = reader.history(), reader.isAtEnd
    else { return false }
    var scheduler = denoising.scheduler
    scheduler.history = history
    // A method that forgets what it is given would go on wrongly.
    let taken = scheduler.history
    guard taken.counters == history.counters, taken.tensors.map(\.shape) == history.tensors.map(\.shape)
    else { return false }
    denoising.scheduler = scheduler
    denoising.noise = noise
    denoising.latents = latents
    denoising.step = Int(step)
    return true
  }
}

/// How a checkpoint is laid out: magic with format number, key, step, noise, latents, history, SHA-256
/// of all before; little-endian.
private enum CheckpointFormat {
  static let magic = Array("SGMCHK01".utf8)
}

private struct CheckpointWriter {
  private var data: [UInt8] = []

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

  func sealed() -> [UInt8] {
    var digest = Digest()
    digest.add(data)
    return data + Array(digest.hexadecimal().utf8)
  }
}

private struct CheckpointReader {
  private let data: [UInt8]
  private var position = 0

  /// nil if the digest at the end is not that of what is before it.
  init?(sealed bytes: [UInt8]) {
    guard bytes.count >= 64 else { return nil }
    data = Array(bytes.dropLast(64))
    var digest = Digest()
    digest.add(data)
    guard Array(digest.hexadecimal().utf8) == Array(bytes.suffix(64)) else { return nil }
  }

  var isAtEnd: Bool { position == data.count }

  mutating func bytes(_ count: Int) -> [UInt8]? {
    guard count >= 0, count <= data.count - position else { return nil }
    defer { position += count }
    return Array(data[position..<position + count])
  }

  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
    let size = MemoryLayout<Value>.size
    guard size <= data.count - position else { return nil }
    defer { position += size }
    let value = data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Value.self) }
    return Value(littleEndian: value)
  }

  mutating func tensor() -> Tensor? {
    guard let rank = integer(UInt32.self), rank <= 8 else { return nil }
    var shape: [Int] = []
    var count = 1
    for _ in 0..<rank {
      guard let length = integer(UInt32.self) else { return nil }
      let (product, overflows) = count.multipliedReportingOverflow(by: Int(length))
      guard !overflows else { return nil }
      shape.append(Int(length))
      count = product
    }
    guard count <= (data.count - position) / 4 else { return nil }
    var values: [Float] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      guard let bits = integer(UInt32.self) else { return nil }
      values.append(Float(bitPattern: bits))
    }
    return Tensor(shape: shape, values: values)
  }

  mutating func noise() -> TorchNoise? {
    guard let position = integer(UInt32.self) else { return nil }
    var words: [UInt32] = []
    for _ in 0..<624 {
      guard let word = integer(UInt32.self) else { return nil }
      words.append(word)
    }
    guard let hasSpare = integer(UInt32.self), let spare = integer(UInt64.self) else { return nil }
    return TorchNoise(
      state: .init(
        words: words, position: Int(position), spare: hasSpare == 0 ? nil : Double(bitPattern: spare)))
  }

  mutating func history() -> SchedulerHistory? {
    guard let counterCount = integer(UInt32.self), counterCount <= 1000 else { return nil }
    var counters: [Int] = []
    for _ in 0..<counterCount {
      guard let counter = integer(UInt64.self) else { return nil }
      counters.append(Int(Int64(bitPattern: counter)))
    }
    guard let tensorCount = integer(UInt32.self), tensorCount <= 100 else { return nil }
    var tensors: [Tensor] = []
    for _ in 0..<tensorCount {
      guard let tensor = tensor() else { return nil }
      tensors.append(tensor)
    }
    return SchedulerHistory(tensors: tensors, counters: counters)
  }
}
