import CCrypto

/// A secret key that proves which bytes this program wrote: HMAC-SHA256 (RFC 2104), by libcrypto.
package struct SealingKey: Sendable {
  /// Bytes of a key, and of a seal.
  package static let length = 32
  /// The secret. A program that has it can seal.
  package let bytes: [UInt8]

  /// A library context of our own, for the same reason as in `Digest`. It is never freed and never changed, so any
  /// thread may use it.
  nonisolated(unsafe) private static let library = OSSL_LIB_CTX_new()

  /// A new key from the system's random numbers.
  package init() {
    var numbers = SystemRandomNumberGenerator()
    bytes = (0..<Self.length).map { _ in UInt8.random(in: .min ... .max, using: &numbers) }
  }

  /// A key that was stored; nil if the length is wrong.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.length else { return nil }
    self.bytes = bytes
  }

  /// The seal for some bytes.
  package func seal(of content: [UInt8]) -> [UInt8] {
    var seal = [UInt8](repeating: 0, count: Self.length)
    var count = 0
    let made = EVP_Q_mac(
      Self.library, "HMAC", nil, "SHA256", nil, bytes, bytes.count, content, content.count, &seal, seal.count,
      &count)
    // It fails only if there are not a few hundred bytes of memory. Swift's own allocations end the process then, too.
    precondition(made != nil && count == Self.length, "no memory for a seal")
    return seal
  }

  /// Whether a seal belongs to some bytes. The time that the comparison takes does not tell how much of the seal is
  /// right.
  package func holds(_ seal: [UInt8], of content: [UInt8]) -> Bool {
    seal.count == Self.length && CRYPTO_memcmp(seal, self.seal(of: content), Self.length) == 0
  }
}
