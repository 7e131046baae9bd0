/// The queue for somebody who looks at what was done, whatever keeps it, and at the store itself.
package protocol InspectableQueue: Sendable {
  /// All that a batch's jobs were asked for, in order of their numbers.
  /// - Throws: `JobStoreError.notFound`
  func jobs(batch: Int64) throws -> [JobRecord]

  /// Statistics of done jobs by model and precision.
  /// - Parameter batch: nil means all batches.
  /// - Throws: `JobStoreError.notFound`
  func statistics(batch: Int64?) throws -> [ModelStatistics]

  /// What the store says of itself, for somebody who looks for faults.
  func facts() throws -> QueueFacts
}
