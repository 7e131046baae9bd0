import CCrypto

/// A hash being computed, by libcrypto. A 4 GB model takes about two seconds of one processor with SHA instructions.
package struct Digest: ~Copyable {
  /// The hash function. SHA-1 is there only because git names files by it. No security rests on it.
  package enum Algorithm: Sendable {
    case sha256
    case sha1

    fileprivate var byteCount: Int { self == .sha256 ? 32 : 20 }
  }

  private let context: OpaquePointer
  private let byteCount: Int

  /// A library context of our own. libcrypto's default context reads the machine's `openssl.cnf`, which may disable
  /// algorithms. The context is never freed and never changed, so any thread may use it.
  nonisolated(unsafe) private static let library = OSSL_LIB_CTX_new()
  nonisolated(unsafe) private static let sha256 = EVP_MD_fetch(library, "SHA256", nil)
  nonisolated(unsafe) private static let sha1 = EVP_MD_fetch(library, "SHA1", nil)

  /// The hash of nothing so far.
  package init(_ algorithm: Algorithm = .sha256) {
    // It fails only if there are not a few hundred bytes of memory. Swift's own allocations end the process then, too.
    guard let context = EVP_MD_CTX_new(),
      EVP_DigestInit_ex(context, algorithm == .sha256 ? Self.sha256 : Self.sha1, nil) == 1
    else { preconditionFailure("no memory for a hash") }
    self.context = context
    byteCount = algorithm.byteCount
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Adds bytes.
  package mutating func add(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { add($0) }
  }

  /// Adds bytes.
  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
  }

  /// The SHA-256 of some bytes, in 64 hexadecimal digits.
  package static func hexadecimal(of bytes: [UInt8]) -> String {
    var digest = Digest()
    digest.add(bytes)
    return digest.hexadecimal()
  }

  /// Whether a text has exactly so many hexadecimal digits, in lower case, as a hash is written.
  /// - Parameters:
  ///   - text: any.
  ///   - count: 64 for SHA-256, 40 for SHA-1.
  package static func isHexadecimal(_ text: String, _ count: Int = 64) -> Bool {
    text.utf8.count == count
      && text.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
  }

  /// The hash of everything that was added, in lower-case hexadecimal digits (64 for SHA-256).
  package consuming func hexadecimal() -> String {
    let digits = Array("0123456789abcdef".utf8)
    let text = bytes().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }

  /// The hash of everything that was added.
  package consuming func bytes() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: byteCount)
    EVP_DigestFinal_ex(context, &digest, nil)
    return digest
  }
}
