import Foundation
import GRDB

extension WorkerSession {
  /// Stores a preview of an image over the one before. It is not durable (`writeLightly`), and it waits for nobody: a
  /// picture that is only looked at is not worth it.
  /// - Parameters:
  ///   - png: the file, at most `Preview.longest` bytes.
  ///   - step: the step after which it was made.
  ///   - index: of the image within the job.
  ///   - lease: of the job.
  /// - Returns: the seconds that it took once it had the lock.
  /// - Throws: `JobStoreError.leaseLost`, `.busy` if somebody has the connection or the write lock, `.wrongRow` for a
  ///   longer file.
  @discardableResult
  package func keep(preview png: [UInt8], step: Int, index: Int, _ lease: Lease) throws -> Double {
    guard png.count <= Preview.longest else {
      throw JobStoreError.wrongRow(reason: "a preview has \(png.count) bytes, \(Preview.longest) at most")
    }
    var begun = ContinuousClock.now
    try database.writeLightly(waiting: 0) { db, now in
      begun = .now
      _ = try standing(lease, db)
      try db.cachedStatement(
        sql: "INSERT OR REPLACE INTO previews (job, number, step, png, made_at) VALUES (?, ?, ?, ?, ?)"
      ).execute(arguments: [lease.job, index, step, Data(png), now])
    }
    return (ContinuousClock.now - begun) / .seconds(1)
  }
}
