import CKernels
import Glibc
import Tensors

/// Writes a safetensors file as a stream. All tensors are declared first. Then their data follow in the same order, in
/// pieces of any size. The data go to a hidden temporary file, which gets the final name when it is whole and on the
/// disk.
///
/// A writer belongs to one thread. If it is dropped before `finish`, no file is left.
package final class SafetensorsWriter {
  /// The declaration of a tensor.
  package struct Declaration: Sendable {
    package var name: String
    package var type: StoredType
    package var shape: [Int]

    /// A tensor of that name, element type and shape.
    package init(name: String, type: StoredType, shape: [Int]) {
      self.name = name
      self.type = type
      self.shape = shape
    }
  }

  /// The final path of the file.
  package let path: String
  private let temporary: String
  private var descriptor: Int32
  private let plan: [(declaration: Declaration, byteCount: Int)]
  private var current = 0
  private var written = 0

  /// Begins a file with the given tensors. Its metadata always have `format: pt`, as Python's readers expect.
  /// - Throws: `wrongOrder` for a shape that overflows or a name that comes twice, `unwritable`.
  package init(path: String, tensors: [Declaration], metadata: [String: String] = [:]) throws {
    self.path = path
    plan = try tensors.map { ($0, try Self.byteCount(of: $0, path: path)) }
    let header = try Self.header(plan, metadata: metadata, path: path)
    let split = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    temporary = "\(path[..<split]).\(path[split...]).\(getpid())-\(UInt32.random(in: 0 ... .max)).part"
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Self.systemError(path) }
    try write(header)
    passEmptyTensors()
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporary)
  }

  /// Appends the next tensor as a whole. Its name must be `name`. Floats are converted to the declared type (F32, F16
  /// or BF16, rounded to nearest even).
  /// - Throws: `wrongOrder`, `unwritable`.
  package func append(_ tensor: Tensor, name: String) throws {
    try expect(name)
    guard tensor.shape == plan[current].declaration.shape else {
      throw wrong(name, "has shape \(tensor.shape), declared was \(plan[current].declaration.shape)")
    }
    try tensor.withUnsafe { try append($0, name: name) }
  }

  /// Appends elements of the tensor that has been begun, or begins the next one.
  /// - Throws: `wrongOrder`, `unwritable`.
  package func append(_ values: UnsafeBufferPointer<Float>, name: String) throws {
    try expect(name)
    let type = plan[current].declaration.type
    switch type {
    case .float32: try append(UnsafeRawBufferPointer(values), to: name)
    case .float16: try appendHalves(values, to: name, segmoe_f32_to_f16)
    case .bfloat16: try appendHalves(values, to: name, segmoe_f32_to_bf16)
    default: throw wrong(name, "floats cannot be stored as \(type.rawValue)")
    }
  }

  /// Appends a stored tensor as the next one, a megabyte at a time. If type and values allow it, the bytes are copied;
  /// otherwise the values are converted.
  /// - Throws: what reading throws, `wrongOrder`, `unwritable`.
  package func append(_ stored: StoredTensor, name: String) throws {
    try expect(name)
    let declaration = plan[current].declaration
    guard stored.shape == declaration.shape else {
      throw wrong(name, "has shape \(stored.shape), declared was \(declaration.shape)")
    }
    let chunk = 1 << 20
    if stored.type == declaration.type, stored.isRaw {
      try withUnsafeTemporaryAllocation(byteCount: chunk, alignment: 64) { buffer in
        for start in stride(from: 0, to: stored.byteCount, by: chunk) {
          let end = min(start + chunk, stored.byteCount)
          let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(end - start)])
          try stored.readBytes(into: part, range: start..<end)
          try append(UnsafeRawBufferPointer(part), to: name)
        }
      }
    } else if stored.isTransposed {
      try append(stored.read(), name: name)
    } else {
      let count = stored.count
      try withUnsafeTemporaryAllocation(of: Float.self, capacity: chunk / 4) { buffer in
        for start in stride(from: 0, to: count, by: chunk / 4) {
          let end = min(start + chunk / 4, count)
          let part = UnsafeMutableBufferPointer(rebasing: buffer[..<(end - start)])
          try stored.read(into: part, elements: start..<end)
          try append(UnsafeBufferPointer(part), name: name)
        }
      }
    }
  }

  /// Gives the file its name, after it is whole and on the disk.
  /// - Throws: `wrongOrder` if tensors are missing, `unwritable`.
  package func finish() throws {
    guard current == plan.count else {
      throw wrong(plan[current].declaration.name, "was declared, but its data did not come")
    }
    guard fsync(descriptor) == 0 else { throw Self.systemError(path) }
    let closing = descriptor
    descriptor = -1
    guard close(closing) == 0, rename(temporary, path) == 0 else {
      let error = Self.systemError(path)
      unlink(temporary)
      throw error
    }
    // The new name is on the disk only after its folder is.
    let folder = open(
      path.lastIndex(of: "/").map { String(path[...$0]) } ?? ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }
}

// MARK: - Bytes

extension SafetensorsWriter {
  private func wrong(_ name: String, _ reason: String) -> CheckpointError {
    .wrongOrder(path: path, name: name, reason: reason)
  }

  private static func systemError(_ path: String) -> CheckpointError {
    .unwritable(path: path, reason: String(cString: strerror(errno)))
  }

  private func expect(_ name: String) throws {
    guard current < plan.count else { throw wrong(name, "all declared tensors are complete") }
    let next = plan[current].declaration.name
    guard next == name else { throw wrong(name, "'\(next)' is next") }
  }

  private func appendHalves(
    _ values: UnsafeBufferPointer<Float>, to name: String,
    _ convert: (UnsafePointer<Float>?, UnsafeMutablePointer<UInt16>?, Int) -> Void
  ) throws {
    let chunk = 1 << 15
    try withUnsafeTemporaryAllocation(of: UInt16.self, capacity: chunk) { halves in
      for start in stride(from: 0, to: values.count, by: chunk) {
        let part = UnsafeBufferPointer(rebasing: values[start..<min(start + chunk, values.count)])
        convert(part.baseAddress, halves.baseAddress, part.count)
        try append(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: halves[..<part.count])), to: name)
      }
    }
  }

  private func append(_ bytes: UnsafeRawBufferPointer, to name: String) throws {
    guard bytes.count <= plan[current].byteCount - written else {
      throw wrong(name, "gets more data than its \(plan[current].byteCount) bytes")
    }
    try write(bytes)
    written += bytes.count
    if written == plan[current].byteCount {
      current += 1
      written = 0
      passEmptyTensors()
    }
  }

  /// Goes past tensors without elements, which have no data.
  private func passEmptyTensors() {
    while current < plan.count, plan[current].byteCount == 0 { current += 1 }
  }

  private func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  private func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw Self.systemError(path)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }
}

// MARK: - Header

extension SafetensorsWriter {
  private static func byteCount(of tensor: Declaration, path: String) throws -> Int {
    var bits = tensor.type.unit.bits
    for length in tensor.shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: length)
      guard length >= 0, !overflow, !tensor.type.isBlock else {
        throw CheckpointError.wrongOrder(
          path: path, name: tensor.name, reason: "impossible shape \(tensor.shape)")
      }
      bits = product
    }
    return bits / 8
  }

  /// The header's length and the JSON, padded with spaces so that the data begin at a multiple of 8.
  private static func header(
    _ plan: [(declaration: Declaration, byteCount: Int)], metadata: [String: String], path: String
  ) throws -> [UInt8] {
    let notes = metadata.merging(["format": "pt"]) { given, _ in given }
    var members = ["\"__metadata__\":" + JSONValue.object(notes.mapValues(JSONValue.string)).text]
    var names: Set = ["__metadata__"]
    var offset = 0
    for (tensor, byteCount) in plan {
      guard names.insert(tensor.name).inserted else {
        throw CheckpointError.wrongOrder(path: path, name: tensor.name, reason: "declared twice")
      }
      let entry = JSONValue.object([
        "dtype": .string(tensor.type.rawValue), "shape": .array(tensor.shape.map(JSONValue.integer)),
        "data_offsets": .array([.integer(offset), .integer(offset + byteCount)]),
      ])
      members.append(JSONValue.string(tensor.name).text + ":" + entry.text)
      offset += byteCount
    }
    var text = Array(("{" + members.joined(separator: ",") + "}").utf8)
    text += repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
  }
}
