import CCrypto

/// A key that tells what this program wrote from what others wrote: HMAC-SHA256 (RFC 2104), by libcrypto.
package struct SealingKey: Sendable {
  /// Bytes of a key, and of a seal.
  package static let length = 32
  /// The key itself; whoever has it can seal.
  package let bytes: [UInt8]

  /// A library context of its own, for the reason that `Digest` has one. It is never freed, never changed, and may be
  /// used from any thread.
  nonisolated(unsafe) private static let library = OSSL_LIB_CTX_new()

  /// A new key from the system's random numbers.
  package init() {
    var numbers = SystemRandomNumberGenerator()
    bytes = (0..<Self.length).map { _ in UInt8.random(in: .min ... .max, using: &numbers) }
  }

  /// A key that was kept; nil if it is none.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.length else { return nil }
    self.bytes = bytes
  }

  /// The seal of some bytes.
  package func seal(of content: [UInt8]) -> [UInt8] {
    var seal = [UInt8](repeating: 0, count: Self.length)
    var count = 0
    let made = EVP_Q_mac(
      Self.library, "HMAC", nil, "SHA256", nil, bytes, bytes.count, content, content.count, &seal, seal.count,
      &count)
    // Fails for want of some hundred bytes alone, where Swift's own allocations end the process too.
    precondition(made != nil && count == Self.length, "no memory for a seal")
    return seal
  }

  /// Whether a seal is the one of some bytes, in a time that does not tell how much of it is right.
  package func holds(_ seal: [UInt8], of content: [UInt8]) -> Bool {
    seal.count == Self.length && CRYPTO_memcmp(seal, self.seal(of: content), Self.length) == 0
  }
}
