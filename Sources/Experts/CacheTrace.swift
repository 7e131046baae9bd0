/// Which parts one render used, in order: enough to replay the cache under other policies and budgets.
package struct CacheTrace: Sendable, Equatable {
  /// One use.
  package struct Use: Sendable, Equatable, Codable {
    package let part: String
    /// Bytes of packed weights.
    package let bytes: Int
    /// Number of the denoising step, from 1; nil outside of steps.
    package var step: Int?

    package init(part: String, bytes: Int, step: Int? = nil) {
      self.part = part
      self.bytes = bytes
      self.step = step
    }
  }

  package var uses: [Use]

  package init(uses: [Use]) { self.uses = uses }
}
