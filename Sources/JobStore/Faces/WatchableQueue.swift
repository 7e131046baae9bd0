import Foundation

/// The queue for somebody who watches it, whatever keeps it: what is new, how far all is, and how long it will take.
package protocol WatchableQueue: Sendable {
  /// The least seconds between two looks: a file can be looked at more often than a server that others wait for.
  var lookPause: TimeInterval { get }

  /// A number that changes whenever another connection commits. It is cheap.
  func changeMark() throws -> Int64

  /// Checks that the queue is the one that was opened, with a schema that this program knows.
  /// - Throws: `JobStoreError.replaced`, `.noQueue`, `.schemaTooNew`
  func verify() throws

  /// The time by the clock that the queue's rows are written by: this machine's, or the server's.
  func now() throws -> Milliseconds

  /// All workers that ever signed on, by name.
  func workers() throws -> [WorkerRecord]

  /// Behind the newest event.
  func newestEvent() throws -> EventMark

  /// The events behind a mark, at most a thousand at a time, and the mark behind them. None is left out, and none comes
  /// twice.
  func events(after mark: EventMark) throws -> (events: [Event], mark: EventMark)

  /// Batches that wait for others, or for a daemon of a class of numerics, in order of their numbers.
  /// - Parameters:
  ///   - batches: only these; nil: any.
  ///   - limit: at most so many.
  func waitingBatches(among batches: Set<Int64>?, limit: Int) throws -> [BatchRecord]

  /// Batches whose jobs are in shards, in order of their numbers.
  /// - Parameters:
  ///   - batches: only these; nil: any.
  ///   - limit: at most so many.
  func batchesInShards(among batches: Set<Int64>?, limit: Int) throws -> [BatchRecord]

  /// How many queued jobs are in shards.
  /// - Parameter batch: only those of this one; nil: of any.
  func jobsInShards(batch: Int64?) throws -> Int

  /// What a job names of a hub, in order.
  func sources(job: Int64) throws -> [SourceRecord]

  /// What is queued before the last of some jobs is over: they themselves and, of the other jobs, those that go before it
  /// and are not held.
  /// - Parameter filter: a batch, jobs, or everything; nothing else in it counts.
  func backlog(_ filter: JobFilter) throws -> [Backlog]

  /// What images took in the newest done jobs, those of the newest first.
  func pace() throws -> RenderPace

  /// The previews of the images at work, in order of jobs and images; of each image the newest. Jobs that do not run
  /// have none.
  /// - Parameter jobs: their numbers.
  /// - Throws: `JobStoreError.damagedRow` for a row that no daemon writes.
  func previews(jobs: [Int64]) throws -> [Preview]

  /// The number of failed jobs of a batch by the kind of failure.
  func failures(batch: Int64) throws -> [FailureKind: Int]
}

extension WatchableQueue {
  /// The workers that are alive, by the queue's clock.
  package func livingWorkers() throws -> [WorkerRecord] {
    let now = try now()
    return try workers().filter { $0.isAlive(now: now) }
  }
}
