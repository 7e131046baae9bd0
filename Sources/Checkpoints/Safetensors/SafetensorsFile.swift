import Boundary

/// An open safetensors file. Its header has been checked: every tensor is inside the file, no two overlap, and each has
/// the length that its type and shape need.
///
/// Only the header is in memory, at most 100 MB of text. Tensors are read when they are asked for.
package struct SafetensorsFile: TensorFile {
  private let reader: FileReader
  /// The tensors by name. Scales of 8-bit floats are not among them.
  package let tensors: [String: StoredTensor]
  /// Every name in the header, including those of scales.
  let storedNames: Set<String>
  /// The file's `__metadata__`.
  package let metadata: [String: String]

  /// Opens and checks a file.
  /// - Parameters:
  ///   - path: where it is.
  ///   - largestHeader: bytes of a header that such a file may have.
  /// - Throws: `missingFile`, `unreadable`, `malformed`, `lfsPointer`, `mistaken`.
  package init(path: String, largestHeader: Int = SafetensorsHeader.largest) throws {
    let reader = try FileReader(path: path, purpose: "a safetensors file")
    try MistakenFile.refuse(reader)
    let length = try Self.headerLength(of: reader, largest: largestHeader)
    let dataStart = 8 + length
    let text = try [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
      try reader.read(
        into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<length]), at: 8
      )
      count = length
    }
    let header: SafetensorsHeader
    do {
      header = try text.withUnsafeBufferPointer {
        try SafetensorsHeader(parsing: $0, dataCount: reader.size - dataStart)
      }
    } catch let fault as JSONFault {
      throw CheckpointError.malformed(path: path, reason: "header, byte \(8 + fault.offset): \(fault.reason)")
    } catch let fault as HeaderFault {
      throw CheckpointError.malformed(path: path, reason: fault.reason)
    }
    self.reader = reader
    metadata = header.metadata
    var tensors = [String: StoredTensor](minimumCapacity: header.entries.count)
    for (name, entry) in header.entries {
      tensors[name] = StoredTensor(
        name: name, type: entry.type, shape: entry.shape, offset: dataStart + entry.begin, reader: reader)
    }
    storedNames = Set(tensors.keys)
    self.tensors = try ScaledFloat8.folded(tensors, path: path)
  }

  private static func headerLength(of reader: FileReader, largest: Int) throws -> Int {
    guard reader.size >= 8 else {
      throw CheckpointError.malformed(path: reader.path, reason: "only \(reader.size) bytes long")
    }
    var length: UInt64 = 0
    try withUnsafeMutableBytes(of: &length) { try reader.read(into: $0, at: 0) }
    length = UInt64(littleEndian: length)
    guard length <= UInt64(largest) else {
      throw CheckpointError.malformed(
        path: reader.path, reason: "a header of \(length) bytes, more than \(largest)")
    }
    guard Int(length) <= reader.size - 8 else {
      throw CheckpointError.malformed(
        path: reader.path, reason: "cut short: a header of \(length) bytes in a file of \(reader.size)")
    }
    return Int(length)
  }

  /// The path as given.
  package var path: String { reader.path }

  /// The size in bytes.
  package var byteCount: Int { reader.size }

  /// The names of all tensors, in no order. Scales of 8-bit floats are not among them.
  package var names: some Collection<String> { tensors.keys }

  /// The number of tensors.
  package var count: Int { tensors.count }

  /// The tensor of that name, not yet read.
  package subscript(name: String) -> StoredTensor? { tensors[name] }

  /// Adds the file's bytes to a digest. They are read from the file that the tensors are read from, whatever its path
  /// leads to by now.
  /// - Throws: `changed`, `unreadable`.
  package func add(to digest: inout Digest) throws { try digest.add(contentsOf: reader) }

  /// Fails with `changed` if the file has been replaced, cut short or written to since it was opened.
  package func verifyUnchanged() throws { try reader.verifyUnchanged() }
}
