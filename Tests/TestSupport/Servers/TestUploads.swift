import Boundary

/// The uploads in parts that a bucket of the tests has begun and not ended.
package struct TestUploads: Sendable {
  private struct Upload {
    let key: String
    var parts: [Int: [UInt8]] = [:]
  }

  private var open: [String: Upload] = [:]
  private var begun = 0

  package init() {}

  /// How many are neither whole nor given up.
  package var count: Int { open.count }

  /// Begins one.
  /// - Returns: its identifier, which must be encoded in a query.
  mutating func begin(_ key: String) -> String {
    begun += 1
    let name = "up+load/\(begun)=&"
    open[name] = Upload(key: key)
    return name
  }

  /// Takes a part.
  /// - Returns: its tag; nil: there is no such upload.
  mutating func take(_ number: Int, of name: String, _ key: String, _ bytes: [UInt8]) -> String? {
    guard open[name]?.key == key else { return nil }
    open[name]?.parts[number] = bytes
    return Self.tag(bytes)
  }

  /// Whether there was such an upload.
  mutating func giveUp(_ name: String, _ key: String) -> Bool {
    guard open[name]?.key == key else { return false }
    open[name] = nil
    return true
  }

  func has(_ name: String, _ key: String) -> Bool { open[name]?.key == key }

  /// All bytes; nil: these are not its parts.
  func bytes(of name: String, tags: [(number: Int, tag: String)]) -> [UInt8]? {
    guard let parts = open[name]?.parts, tags.map(\.number) == Array(1...max(1, parts.count)) else {
      return nil
    }
    let found = tags.map { parts[$0.number] ?? [] }
    return zip(found, tags).allSatisfy { Self.tag($0) == $1.tag } ? Array(found.joined()) : nil
  }

  private static func tag(_ bytes: [UInt8]) -> String { "\"\(Digest.hexadecimal(of: bytes).prefix(32))\"" }
}
