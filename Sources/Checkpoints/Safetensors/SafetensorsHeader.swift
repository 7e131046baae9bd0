/// The header of a safetensors file. A file has 8 bytes with the header's length (little endian), a JSON object, and
/// the tensors' bytes. Everything in the header is checked before it is used.
package struct SafetensorsHeader {
  /// A tensor. Its bytes are `begin ..< end` of the data after the header.
  struct Entry {
    let type: StoredType
    let shape: [Int]
    let begin: Int
    let end: Int
  }

  private(set) var entries: [String: Entry] = [:]
  private(set) var metadata: [String: String] = [:]

  /// The most bytes of JSON that the reference implementation reads.
  package static let largest = 100_000_000

  /// Parses the JSON of a file that has `dataCount` bytes of data.
  /// - Throws: `JSONFault`, `HeaderFault`.
  init(parsing bytes: UnsafeBufferPointer<UInt8>, dataCount: Int) throws {
    guard bytes.first == UInt8(ascii: "{") else { throw HeaderFault("the header does not begin with '{'") }
    var scanner = JSONScanner(bytes)
    var sawMetadata = false
    try scanner.object { scanner, key in
      if key == "__metadata__" {
        if sawMetadata { throw scanner.fault("__metadata__ twice") }
        sawMetadata = true
        try readMetadata(&scanner)
      } else {
        let entry = try Self.entry(&scanner, name: key)
        guard entries.updateValue(entry, forKey: key) == nil else {
          throw scanner.fault("tensor '\(key)' twice")
        }
      }
    }
    try scanner.end()
    try checkLayout(dataCount: dataCount)
  }

  private mutating func readMetadata(_ scanner: inout JSONScanner) throws {
    try scanner.object { scanner, key in
      guard metadata.updateValue(try scanner.string(), forKey: key) == nil else {
        throw scanner.fault("metadata '\(key)' twice")
      }
    }
  }

  private static func entry(_ scanner: inout JSONScanner, name: String) throws -> Entry {
    var type: StoredType?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { scanner, key in
      switch key {
      case "dtype" where type == nil:
        let text = try scanner.string()
        guard let known = StoredType(rawValue: text), !known.isBlock else {
          throw scanner.fault("tensor '\(name)' has the unknown dtype '\(text)'")
        }
        type = known
      case "shape" where shape == nil:
        shape = try numbers(&scanner)
      case "data_offsets" where offsets == nil:
        offsets = try numbers(&scanner)
      default:
        throw scanner.fault("tensor '\(name)' has '\(key)', which is unknown or there twice")
      }
    }
    guard let type, let shape, let offsets, offsets.count == 2 else {
      throw scanner.fault("tensor '\(name)' lacks dtype, shape or two data_offsets")
    }
    let entry = Entry(type: type, shape: shape, begin: offsets[0], end: offsets[1])
    try entry.check(name: name)
    return entry
  }

  private static func numbers(_ scanner: inout JSONScanner) throws -> [Int] {
    var values: [Int] = []
    try scanner.array { scanner in
      // Real tensors have at most five axes. The limit keeps a hostile shape from taking memory.
      if values.count == 32 { throw scanner.fault("more than 32 numbers in a shape") }
      values.append(try scanner.unsignedInteger())
    }
    return values
  }

  /// Checks that the tensors cover the data without gaps and overlaps, as the format demands.
  private func checkLayout(dataCount: Int) throws {
    let ordered = entries.sorted { ($0.value.begin, $0.value.end) < ($1.value.begin, $1.value.end) }
    var end = 0
    for (name, entry) in ordered {
      guard entry.begin == end else {
        let what = entry.begin < end ? "overlaps the tensor before it" : "leaves a hole before it"
        throw HeaderFault("tensor '\(name)' begins at byte \(entry.begin) and \(what)")
      }
      end = entry.end
    }
    guard end == dataCount else {
      throw HeaderFault(
        end > dataCount
          ? "cut short: the tensors need \(end) bytes, \(dataCount) are there"
          : "\(dataCount - end) bytes follow the last tensor")
    }
  }
}

/// A header that is JSON, but not a safetensors header.
struct HeaderFault: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}

extension SafetensorsHeader.Entry {
  /// Checks that the length is what type and shape need. No product of lengths may overflow, even without the axes of
  /// length 0, because shapes are multiplied in many places and in any order.
  func check(name: String) throws {
    var bits = type.unit.bits
    for length in shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: max(length, 1))
      guard !overflow else { throw HeaderFault("tensor '\(name)' has the impossible shape \(shape)") }
      bits = product
    }
    if shape.contains(0) { bits = 0 }
    guard begin <= end else { throw HeaderFault("tensor '\(name)' ends before it begins") }
    guard bits % 8 == 0, bits / 8 == end - begin else {
      throw HeaderFault(
        "tensor '\(name)' holds \(end - begin) bytes, \(type.rawValue) of shape \(shape) needs \(bits / 8)")
    }
  }
}
