/// Where bytes lie under keys: a folder, or a bucket. What lies there once is never changed.
protocol ObjectStore: Sendable {
  /// What a person calls it.
  var place: String { get }

  /// Puts bytes under a key. If something lies there already, that stays.
  /// - Throws: `SharedError`
  func add(_ body: ObjectBody, as key: String) throws

  /// Appends what lies under a key to `file`, from the byte on that it has reached.
  /// - Parameters:
  ///   - key: of the object.
  ///   - name: what a person calls the object.
  ///   - file: gets the bytes.
  /// - Throws: `SharedError`, and what `file` throws.
  func read(_ key: String, called name: String, into file: IncomingFile) throws
}

/// What is put into a store.
struct ObjectBody {
  enum Content {
    case bytes([UInt8])
    /// An open file. The caller closes it.
    case file(descriptor: Int32)
  }

  let content: Content
  /// Bytes.
  let count: Int
  /// SHA-256, which is checked on the way.
  let digest: String
  /// What a person calls it.
  let name: String
}
