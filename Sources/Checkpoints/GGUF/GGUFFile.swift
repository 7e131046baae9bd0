/// An open GGUF file, the format of llama.cpp and stable-diffusion.cpp, versions 2 and 3. Its header has been checked:
/// every tensor is inside the file and has a type that can be unpacked.
package struct GGUFFile: TensorFile {
  package let path: String
  package let tensors: [String: StoredTensor]
  /// Keys whose values are texts: `general.architecture`…
  package let metadata: [String: String]

  private static let magic = Array("GGUF".utf8)
  /// The longest key that the format allows.
  private static let longestKey = 65_535
  /// Tensors that a model may have; the largest has some 3,000.
  private static let mostTensors = 1 << 16
  /// Bytes that its names and notes may take in memory; an ordinary model has some 200,000.
  private static let mostNames = 4 << 20
  /// The most axes. Real files have fewer.
  private static let mostAxes = 8
  /// The key under which city96's converter keeps a tensor's shape, if it changed the shape so that rows fill blocks.
  private static let shapeKey = "comfy.gguf.orig_shape."

  /// Whether a file begins like a GGUF file.
  /// - Throws: what opening throws.
  static func isOne(_ path: String) throws -> Bool {
    let reader = try FileReader(path: path, purpose: "a safetensors or GGUF file")
    guard reader.size >= magic.count else { return false }
    var head = [UInt8](repeating: 0, count: magic.count)
    try head.withUnsafeMutableBytes { try reader.read(into: $0, at: 0) }
    return head == magic
  }

  /// Opens and checks a file.
  /// - Throws: `missingFile`, `unreadable`, `mistaken`, `malformed`, `unreadableType`.
  package init(path: String) throws {
    let reader = try FileReader(path: path, purpose: "a GGUF file")
    try MistakenFile.refuse(reader)
    var cursor = GGUFCursor(reader)
    guard try cursor.bytes(4).elementsEqual(Self.magic) else { throw cursor.fault("not a GGUF file") }
    let version = try cursor.integer(UInt32.self)
    guard (2...3).contains(version) else { throw cursor.fault("version \(version), expected 2 or 3") }
    // A tensor takes at least its name's length, a count of axes, a type and an offset. An entry takes at least its
    // key's length and a type.
    let tensorCount = try cursor.count(least: 24)
    let entryCount = try cursor.count(least: 12)
    guard tensorCount <= Self.mostTensors else { throw cursor.fault("\(tensorCount) tensors") }
    var metadata = Metadata()
    for _ in 0..<entryCount { try metadata.read(&cursor) }
    var (entries, names) = ([Entry](), 0)
    for _ in 0..<tensorCount {
      entries.append(try Entry(&cursor, path: path))
      names += entries[entries.count - 1].name.utf8.count
      guard names <= Self.mostNames else { throw cursor.fault("names of more than \(Self.mostNames) bytes") }
    }
    let alignment = metadata.alignment
    guard alignment > 0, alignment <= 1 << 20 else { throw cursor.fault("an alignment of \(alignment)") }
    let start = (cursor.place + alignment - 1) / alignment * alignment
    var tensors = [String: StoredTensor](minimumCapacity: entries.count)
    for entry in entries {
      guard entry.offset <= max(0, reader.size - start), entry.byteCount <= reader.size - start - entry.offset
      else {
        throw CheckpointError.malformed(
          path: path, reason: "cut short: tensor '\(entry.name)' ends beyond the file")
      }
      let shape = try metadata.shape(of: entry, path: path)
      let stored = StoredTensor(
        name: entry.name, type: entry.type, shape: shape, offset: start + entry.offset, reader: reader)
      guard tensors.updateValue(stored, forKey: entry.name) == nil else {
        throw CheckpointError.malformed(path: path, reason: "tensor '\(entry.name)' twice")
      }
    }
    self.path = path
    self.tensors = tensors
    self.metadata = metadata.texts
  }

  // MARK: - Tensors

  /// A tensor as the header has it.
  private struct Entry {
    let name: String
    let type: StoredType
    /// The lengths, the outermost axis first. The file has them in the opposite order.
    let shape: [Int]
    let offset: Int
    let byteCount: Int

    init(_ cursor: inout GGUFCursor, path: String) throws {
      name = try cursor.string(limit: GGUFFile.longestKey)
      let axes = try cursor.integer(UInt32.self)
      guard axes <= GGUFFile.mostAxes else { throw cursor.fault("tensor '\(name)' has \(axes) axes") }
      var lengths: [Int] = []
      var bits = 64
      for _ in 0..<axes {
        // No product of lengths may overflow, because shapes are multiplied in many places.
        guard let length = Int(exactly: try cursor.integer(UInt64.self)), length > 0,
          case let (product, overflow) = bits.multipliedReportingOverflow(by: length), !overflow
        else { throw cursor.fault("tensor '\(name)' has an impossible shape") }
        bits = product
        lengths.append(length)
      }
      let number = try cursor.integer(UInt32.self)
      guard let type = GGMLType.stored(number) else {
        throw CheckpointError.unreadableType(name: name, path: path, type: GGMLType.name(number))
      }
      guard (lengths.first ?? 1) % type.unit.elements == 0,
        let offset = Int(exactly: try cursor.integer(UInt64.self))
      else { throw cursor.fault("tensor '\(name)' does not fill whole blocks of \(type.rawValue)") }
      self.type = type
      self.offset = offset
      shape = lengths.reversed()
      byteCount = type.byteCount(of: lengths.reduce(1, *))
    }
  }

  // MARK: - Metadata

  /// The entries that are needed here.
  private struct Metadata {
    var texts: [String: String] = [:]
    var alignment = 32
    private var shapes: [String: [Int]] = [:]
    /// Bytes of the keys and texts that are kept.
    private var kept = 0

    /// Bytes of a value of each type of fixed size, by its number.
    private static let sizes: [UInt32: Int] = [
      0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8,
    ]
    private static let text: UInt32 = 8
    private static let list: UInt32 = 9

    mutating func read(_ cursor: inout GGUFCursor) throws {
      let key = try cursor.string(limit: GGUFFile.longestKey)
      let type = try cursor.integer(UInt32.self)
      switch type {
      case Self.text:
        let length = try cursor.count(least: 1)
        // Licenses and templates may be long, and are not needed.
        if length <= GGUFFile.longestKey, keeps(key.utf8.count + length) {
          texts[key] = String(decoding: try cursor.bytes(length), as: UTF8.self)
        } else {
          try cursor.skip(length)
        }
      case Self.list: try readList(key, &cursor)
      default:
        if key == "general.alignment", type == 4 {
          alignment = Int(try cursor.integer(UInt32.self))
        } else {
          try cursor.skip(try size(type, cursor))
        }
      }
    }

    /// Counts what is kept of the head. Beyond what ordinary files hold, nothing is.
    private mutating func keeps(_ bytes: Int) -> Bool {
      kept += bytes + 64
      return kept <= GGUFFile.mostNames
    }

    private func size(_ type: UInt32, _ cursor: GGUFCursor) throws -> Int {
      guard let size = Self.sizes[type] else { throw cursor.fault("a value of the unknown type \(type)") }
      return size
    }

    private mutating func readList(_ key: String, _ cursor: inout GGUFCursor) throws {
      let type = try cursor.integer(UInt32.self)
      if type == Self.text {
        // A text takes at least the bytes of its length.
        for _ in 0..<(try cursor.count(least: 8)) { try cursor.skip(try cursor.count(least: 1)) }
        return
      }
      let size = try size(type, cursor)
      let count = try cursor.count(least: size)
      guard key.hasPrefix(GGUFFile.shapeKey), count <= GGUFFile.mostAxes, [4, 5, 10, 11].contains(type),
        keeps(key.utf8.count + count * size)
      else {
        return try cursor.skip(count * size)
      }
      shapes[String(key.dropFirst(GGUFFile.shapeKey.count))] = try (0..<count).map { _ in
        size == 4
          ? Int(try cursor.integer(UInt32.self)) : Int(truncatingIfNeeded: try cursor.integer(UInt64.self))
      }
    }

    /// The shape that a tensor had before its converter changed it.
    func shape(of entry: Entry, path: String) throws -> [Int] {
      guard let shape = shapes[entry.name] else { return entry.shape }
      let count = shape.reduce(1) { count, length in
        let (product, overflow) = count.multipliedReportingOverflow(by: length)
        return length > 0 && !overflow ? product : -1
      }
      guard count == entry.shape.reduce(1, *) else {
        throw CheckpointError.malformed(
          path: path,
          reason: "tensor '\(entry.name)' of shape \(entry.shape) cannot have had the shape \(shape)")
      }
      return shape
    }
  }
}
