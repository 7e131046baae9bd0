/// The jobs of a batch that are rendered elsewhere, from queues of their own in a folder.
package struct ShardedBatch: Sendable, Equatable {
  package var batch: Int64
  /// Tells these shards from all others.
  package var key: String
  /// The folder's absolute path; nil: they are all back.
  package var folder: String?
  /// The numbers of the jobs that are there and not back yet, the next first.
  package var jobs: [Int64]

  package init(batch: Int64, key: String, folder: String?, jobs: [Int64]) {
    self.batch = batch
    self.key = key
    self.folder = folder
    self.jobs = jobs
  }

  /// A key that no other shards have.
  package static func newKey() -> String {
    (0..<4).map { _ in String(UInt32.random(in: 0 ... .max), radix: 36) }.joined(separator: "-")
  }
}

/// What a store knows of a batch whose jobs shall go into shards.
package struct ShardProspect: Sendable, Equatable {
  package let batch: Int64
  /// Where they shall go.
  package let folder: String
  /// Where jobs of it are already.
  package let place: String?
  /// Another batch whose jobs are in that folder.
  package let other: Int64?
  /// Whether some of its jobs wait for what they name of a hub.
  package let isFetching: Bool
  /// Whether it waits for another batch.
  package let isLater: Bool
  /// Whether it is to be rendered in one class of numerics, which is not decided.
  package let isFloating: Bool

  package init(
    batch: Int64, folder: String, place: String?, other: Int64?, isFetching: Bool, isLater: Bool,
    isFloating: Bool
  ) {
    self.batch = batch
    self.folder = folder
    self.place = place
    self.other = other
    self.isFetching = isFetching
    self.isLater = isLater
    self.isFloating = isFloating
  }

  /// Whether they are in the folder already: a sharding that was interrupted can be made anew.
  package var isThere: Bool { place == folder }

  /// Checks that nothing in this queue has yet to happen before the jobs can be rendered elsewhere.
  /// - Throws: `JobStoreError.shards`
  package func expectMovable() throws {
    if let place {
      throw refusal("its jobs are in shards \(place): collect them first, or give them up there")
    }
    if let other {
      throw refusal("\(folder) is where the jobs of batch \(other) are: name another folder")
    }
    if isFetching {
      throw refusal("some of its jobs wait for what they name of a hub: let it be fetched first")
    }
    if isLater { throw refusal("it waits for another batch, which is not over") }
    if isFloating {
      throw refusal(
        "it is to be rendered in one class of numerics, which its first job decides: render that here first"
      )
    }
  }

  /// Checks that there was something to put there, and says it.
  /// - Parameter jobs: how many are there now.
  /// - Returns: the words of the event.
  /// - Throws: `JobStoreError.shards`
  package func words(for jobs: Int) throws -> String {
    guard jobs > 0 else { throw refusal("it has no waiting jobs") }
    return "jobs: \(jobs), in \(folder)"
  }

  private func refusal(_ reason: String) -> JobStoreError { .shards(batch: batch, reason: reason) }
}

extension JobStoreError {
  /// A job that is in shards cannot be retried.
  package static func retriedInShards(job: Int64, batch: Int64) -> JobStoreError {
    .shards(
      batch: batch,
      reason:
        "job \(job) is in shards, and other machines render it: `segmoectl collect --give-up` takes it back")
  }
}
