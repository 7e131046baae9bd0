import Foundation
import GRDB

/// A small picture of an image at work: a row of the table `previews`.
package struct Preview: Sendable, Equatable {
  package var job: Int64
  /// Of the image: 0 … count - 1.
  package var number: Int
  /// The step after which it was made.
  package var step: Int
  /// A PNG file: a pixel of each latent, or decoded by a tiny autoencoder. Whoever can write the queue may have put anything there.
  package var png: [UInt8]
  package var madeAt: Milliseconds

  /// The longest file that is stored or read, in bytes. The largest that a daemon makes has 512×512 pixels.
  package static let longest = 1 << 20

  /// The most previews that are read at a time. A daemon has up to 64 images at work.
  package static let most = 100
}

extension QueueClient {
  /// The previews of the images at work, in order of jobs and images; of each image the newest. Jobs that do not run
  /// have none.
  /// - Parameter jobs: their numbers.
  /// - Throws: `JobStoreError.damagedRow` for a row that no daemon writes, before its file is read.
  package func previews(jobs: [Int64]) throws -> [Preview] {
    try database.read { db in
      // As text, the count of the numbers is not limited, as arguments would be.
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT job, number, step, made_at, length(png) AS bytes,
            iif(length(png) <= \(Preview.longest), png, NULL) AS png
          FROM previews WHERE job IN (\(jobs.map(String.init).joined(separator: ", ")))
          ORDER BY job, number LIMIT \(Preview.most)
          """)
      return try rows.map { try Preview(row: $0) }
    }
  }
}

extension Preview: FetchableRecord {
  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "previews")
    let bytes: Int = try reader.value("bytes")
    guard (1...Self.longest).contains(bytes) else {
      throw JobStoreError.damagedRow(table: "previews", column: "png", value: "\(bytes) bytes")
    }
    job = try reader.value("job")
    number = try reader.count("number")
    step = try reader.count("step")
    png = [UInt8](try reader.value("png", as: Data.self))
    madeAt = try reader.value("made_at")
  }
}

extension RowReader {
  /// A number that is never negative.
  /// - Throws: `JobStoreError.damagedRow`
  fileprivate func count(_ column: String) throws -> Int {
    let count: Int = try value(column)
    guard count >= 0 else {
      throw JobStoreError.damagedRow(table: table, column: column, value: "\(count)")
    }
    return count
  }
}
