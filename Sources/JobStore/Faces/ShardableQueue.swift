/// The queue for somebody who has jobs rendered elsewhere, from shards in a folder, whatever keeps it.
package protocol ShardableQueue: Sendable {
  /// Holds the waiting jobs of a batch, because they go into shards. If they are in this folder's shards already, nothing
  /// changes: a sharding that was interrupted can be made anew.
  /// - Parameters:
  ///   - batch: its number.
  ///   - folder: absolute path of the shards.
  /// - Throws: `JobStoreError.notFound`, `.shards`
  func putInShards(batch: Int64, folder: String) throws -> ShardedBatch

  /// The batch whose jobs went into shards with a key; nil if there is none in this queue.
  func shardedBatch(key: String) throws -> ShardedBatch?

  /// The batch whose jobs are in shards in a folder; nil if there is none in this queue.
  /// - Parameter folder: absolute path.
  func shardedBatch(folder: String) throws -> ShardedBatch?

  /// Jobs of a batch with all that another machine must know of them.
  /// - Throws: `JobStoreError.notFound`, `.damagedRow`
  func cargo(of jobs: [Int64], batch: Int64) throws -> ShardCargo

  /// Gives up the shards of a batch: jobs that are not back are this queue's again.
  /// - Returns: how many.
  func takeOutOfShards(batch: Int64) throws -> Int

  /// Whether a job is awaited, and this is how it may have ended. Nothing changes.
  /// - Throws: `JobStoreError.damagedRow` for pictures that the job does not ask for.
  func awaits(_ outcome: ShardOutcome, of batch: ShardedBatch) throws -> Bool

  /// Ends a job as it ended in a shard, in one transaction.
  /// - Parameters:
  ///   - outcome: as it came; its pictures lie at their final, absolute paths.
  ///   - batch: in shards.
  /// - Throws: `JobStoreError.damagedRow` for pictures that the job does not ask for.
  func collect(_ outcome: ShardOutcome, of batch: ShardedBatch) throws -> Homecoming

  /// Ends the sharding of a batch if all its jobs are back.
  /// - Returns: how many are not.
  func settleShards(_ batch: ShardedBatch) throws -> Int

  /// In what the pictures of a batch differ, because machines differed: models that had several weights under one name,
  /// and the classes of numerics if there are several.
  func mixtures(ofBatch batch: Int64) throws -> (models: [String], classes: [String])
}

/// What became of an outcome that was brought home.
package enum Homecoming: Sendable, Equatable {
  /// The job has ended in this queue, too.
  case taken
  /// It was here already, with the same pictures.
  case known
  /// The job is not in shards any more: it was cancelled, rendered or removed here.
  case unwanted
}
