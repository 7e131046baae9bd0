import Foundation
import GRDB
import JobStore

/// A job as `claim_job` and `claim_companion` answer with it: one object of JSON (the function `claimed_row`), which costs the
/// server less than sixty columns.
struct ClaimAnswer {
  /// The job as a row of `job_rows`, with the columns `places` and `chores` beside.
  let row: Row

  /// - Returns: nil if no job was given.
  /// - Throws: `JobStoreError.damagedRow`
  init?(_ answer: Row) throws {
    guard let json: String = try RowReader(row: answer, table: "jobs").optional("claimed") else { return nil }
    do {
      let claimed = try JSONDecoder().decode(Claimed.self, from: Data(json.utf8))
      row = Row(claimed.columns.mapValues { $0 as (any DatabaseValueConvertible)? })
    } catch {
      throw JobStoreError.damagedRow(table: "jobs", column: "claimed", value: "no object of a job")
    }
  }
}

/// The object: the job's own row under `job`, and columns beside it, which go before those of the row.
private struct Claimed: Decodable {
  let columns: [String: DatabaseValue]

  init(from decoder: any Decoder) throws {
    let object = try decoder.container(keyedBy: Column.self)
    var columns = try object.decode([String: Value].self, forKey: .job).mapValues(\.stored)
    for column in object.allKeys where column != .job {
      columns[column.stringValue] = try object.decode(Value.self, forKey: column).stored
    }
    self.columns = columns
  }

  private struct Column: CodingKey, Equatable {
    static let job = Column(stringValue: "job")
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private struct Value: Decodable {
    let stored: DatabaseValue

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      stored =
        if value.decodeNil() {
          .null
        } else if let number = try? value.decode(Int64.self) {
          number.databaseValue
        } else if let number = try? value.decode(Double.self) {
          number.databaseValue
        } else {
          try value.decode(String.self).databaseValue
        }
    }
  }
}
