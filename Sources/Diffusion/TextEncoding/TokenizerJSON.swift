import Checkpoints

/// The parts of a `tokenizer.json` that CLIP's tokenizer takes from it.
struct TokenizerJSON {
  let path: String
  let vocabulary: [String: Int32]
  let merges: [(left: String, right: String)]
  /// The members of `added_tokens`.
  let addedTokens: [ConfigObject]
  /// The ids its post-processor puts before and after a text; nil if it has none.
  let framingIDs: (start: Int32, end: Int32)?

  /// Reads a file of at most `limit` bytes.
  /// - Throws: `missingFile`, `malformed`, `badConfig`.
  init(path: String, limit: Int) throws {
    self.path = path
    guard case .object(let values) = try JSONValue(contentsOf: path, limit: limit, purpose: "the tokenizer")
    else { throw CheckpointError.malformed(path: path, reason: "not an object") }
    let file = ConfigObject(path: path, values: values)
    guard let model = try file.objectIfPresent("model"), let vocab = try model.objectIfPresent("vocab") else {
      throw file.error("model.vocab", "missing")
    }
    try model.refuse("type", unless: .string("BPE"))
    vocabulary = try Self.ids(vocab.values, path: path)
    merges = try Self.merges(model)
    addedTokens = try Self.objects(file, "added_tokens")
    framingIDs = try Self.framing(file)
  }

  /// Token ids, each from 0 up to what fits 31 bits.
  static func ids(_ values: [String: JSONValue], path: String) throws -> [String: Int32] {
    try values.mapValues { value in
      guard case .integer(let number) = value, let id = Int32(exactly: number), id >= 0, id < 1 << 30 else {
        throw CheckpointError.malformed(path: path, reason: "a token's id is \(value)")
      }
      return id
    }
  }

  private static func objects(_ file: ConfigObject, _ key: String) throws -> [ConfigObject] {
    guard let value = file[key] else { return [] }
    guard case .array(let elements) = value else {
      throw file.error(key, "is \(value.kind), expected a list")
    }
    return try elements.map { element in
      guard case .object(let values) = element else { throw file.error(key, "holds \(element.kind)") }
      return ConfigObject(path: file.path, values: values, place: key + ".")
    }
  }

  /// Merges come as `"a b"` or, newer, as `["a", "b"]`.
  private static func merges(_ model: ConfigObject) throws -> [(left: String, right: String)] {
    guard case .array(let elements) = model["merges"] else { throw model.error("merges", "expected a list") }
    return try elements.enumerated().map { rank, element in
      switch element {
      case .string(let text):
        if let pair = MergesText.pair(Array(text.utf8)[...]) { return pair }
      case .array(let parts):
        if parts.count == 2, case .string(let left) = parts[0], case .string(let right) = parts[1] {
          return (left, right)
        }
      default: break
      }
      throw model.error("merges", "entry \(rank) is not a pair of tokens")
    }
  }

  private static func framing(_ file: ConfigObject) throws -> (start: Int32, end: Int32)? {
    guard let processor = try file.objectIfPresent("post_processor") else { return nil }
    try processor.refuse("type", unless: .string("RobertaProcessing"))
    func id(_ key: String) throws -> Int32 {
      guard case .array(let pair) = processor[key], pair.count == 2, case .integer(let number) = pair[1],
        let id = Int32(exactly: number), id >= 0
      else { throw processor.error(key, "expected a token and its id") }
      return id
    }
    return (try id("cls"), try id("sep"))
  }
}

/// The text format of merges: two tokens a line, in order of rank.
enum MergesText {
  /// Reads `merges.txt`.
  /// - Throws: `missingFile`, `malformed` with the line.
  static func read(path: String, limit: Int) throws -> [(left: String, right: String)] {
    try parse(
      FileReader(path: path, purpose: "the merges of the tokenizer").text(limit: limit), path: path)
  }

  /// Reads the same from memory; `path` is named in errors.
  /// - Throws: `malformed` with the line.
  static func parse(_ bytes: [UInt8], path: String) throws -> [(left: String, right: String)] {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    var pairs: [(left: String, right: String)] = []
    pairs.reserveCapacity(lines.count)
    for (number, line) in lines.enumerated() {
      if line.starts(with: Array("#version".utf8)) { continue }
      let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      guard let pair = pair(text) else {
        throw CheckpointError.malformed(path: path, reason: "line \(number + 1) is not two tokens in UTF-8")
      }
      pairs.append(pair)
    }
    return pairs
  }

  /// Two texts parted by one space.
  static func pair(_ bytes: ArraySlice<UInt8>) -> (left: String, right: String)? {
    let parts = bytes.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 2, let left = String(validating: parts[0], as: UTF8.self),
      let right = String(validating: parts[1], as: UTF8.self), !left.isEmpty, !right.isEmpty
    else { return nil }
    return (left, right)
  }
}
