import CKernels
import Foundation
import Tensors

/// Writes a safetensors file tensor by tensor, without ever holding more than a piece of one: the
/// header is laid out from the declarations, then the data are appended in the same order.
///
/// The file appears under its name when `finish` has synced it, whole or not at all.
package final class SafetensorsWriter {
  /// A tensor that will be written.
  package struct Declaration: Sendable {
    package let name: String
    package let type: StoredType
    package let shape: [Int]

    package init(name: String, type: StoredType, shape: [Int]) {
      self.name = name
      self.type = type
      self.shape = shape
    }

    var byteCount: Int { shape.reduce(1, *) * type.bitCount / 8 }
  }

  private let path: String
  private let temporary: String
  private let declarations: [Declaration]
  private var descriptor: Int32
  private var next = 0

  /// Creates the temporary file and writes the header.
  /// - Throws: `CheckpointError.unwritable`.
  package init(path: String, tensors: [Declaration], metadata: [String: String] = ["format": "pt"]) throws {
    self.path = path
    temporary = path + ".partial-\(getpid())"
    declarations = tensors
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Self.failure(path) }
    var header = Self.header(tensors, metadata)
    var size = UInt64(header.count).littleEndian
    try withUnsafeBytes(of: &size) { try write($0) }
    try header.withUnsafeMutableBytes { try write(UnsafeRawBufferPointer($0)) }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporary)
  }

  /// Appends the next declared tensor as it lies in another file, or converted to 32-bit floats if
  /// patches change it.
  /// - Throws: `CheckpointError` from reading, `.wrongOrder` if it is not the next or of another type,
  ///   `.unwritable`.
  package func append(_ tensor: StoredTensor, as name: String) throws {
    if !tensor.isPatched {
      try expect(name, tensor.type, tensor.shape)
      let piece = min(tensor.byteCount, 4 << 20)
      try withUnsafeTemporaryAllocation(byteCount: max(piece, 1), alignment: 8) { buffer in
        for start in stride(from: 0, to: tensor.byteCount, by: max(piece, 1)) {
          let end = min(start + piece, tensor.byteCount)
          let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(end - start)])
          try tensor.readBytes(into: part, range: start..<end)
          try write(UnsafeRawBufferPointer(part))
        }
      }
    } else {
      try append(tensor.read(), as: name)
    }
  }

  /// Appends the next declared tensor, which must be declared as 32-bit floats.
  /// - Throws: `CheckpointError.wrongOrder`, `.unwritable`.
  package func append(_ tensor: Tensor, as name: String) throws {
    try expect(name, .float32, tensor.shape)
    try tensor.withUnsafe { try write(UnsafeRawBufferPointer($0)) }
  }

  /// Syncs the file and gives it its name.
  /// - Throws: `CheckpointError.wrongOrder` if tensors are missing, `.unwritable`.
  package func finish() throws {
    guard next == declarations.count else {
      throw CheckpointError.wrongOrder(
        path: path, name: declarations[next].name, reason: "declared but never written")
    }
    guard fsync(descriptor) == 0 else { throw Self.failure(path) }
    close(descriptor)
    descriptor = -1
    guard rename(temporary, path) == 0 else {
      let error = Self.failure(path)
      unlink(temporary)
      throw error
    }
  }

  private func expect(_ name: String, _ type: StoredType, _ shape: [Int]) throws {
    guard next < declarations.count, declarations[next].name == name else {
      throw CheckpointError.wrongOrder(path: path, name: name, reason: "not the next that was declared")
    }
    guard declarations[next].type == type, declarations[next].shape == shape else {
      throw CheckpointError.wrongOrder(
        path: path, name: name, reason: "\(type.rawValue) \(shape) is not what was declared")
    }
    next += 1
  }

  private func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw Self.failure(path)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  private static func failure(_ path: String) -> CheckpointError {
    .unwritable(path: path, reason: String(cString: strerror(errno)))
  }

  /// The header as JSON, padded with spaces so that data start at a multiple of 8.
  private static func header(_ tensors: [Declaration], _ metadata: [String: String]) -> [UInt8] {
    var offset = 0
    var members = ["\"__metadata__\": " + JSONValue.object(metadata.mapValues { .string($0) }).description]
    for tensor in tensors {
      let end = offset + tensor.byteCount
      let entry = JSONValue.object([
        "dtype": .string(tensor.type.rawValue), "shape": .array(tensor.shape.map { .integer($0) }),
        "data_offsets": .array([.integer(offset), .integer(end)]),
      ])
      members.append("\(JSONValue.string(tensor.name)): \(entry)")
      offset = end
    }
    var bytes = Array(("{" + members.joined(separator: ", ") + "}").utf8)
    while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
    return bytes
  }
}
