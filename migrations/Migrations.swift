/// One step of the schema: SQL that turns schema `number - 1` into schema `number`.
package struct Migration: Sendable {
  /// The schema's number after this step, as `PRAGMA user_version` has it. The first is 1.
  package let number: Int

  /// The file's name under `migrations/sql` or `migrations/postgresql`, for messages.
  package let name: String

  /// The file's text: several statements, no transaction control.
  package let sql: String

  /// Every migration of SQLite's queue, in order. A released file never changes. A new schema is a new file.
  package static let all: [Migration] = [
    Migration(number: 1, name: "0001_queue", bytes: PackageResources._001_queue_sql),
    Migration(number: 2, name: "0002_checkpoints", bytes: PackageResources._002_checkpoints_sql),
    Migration(number: 3, name: "0003_settings", bytes: PackageResources._003_settings_sql),
    Migration(number: 4, name: "0004_framing", bytes: PackageResources._004_framing_sql),
    Migration(number: 5, name: "0005_requests", bytes: PackageResources._005_requests_sql),
    Migration(number: 6, name: "0006_guidance_rescale", bytes: PackageResources._006_guidance_rescale_sql),
    Migration(number: 7, name: "0007_blame_and_clocks", bytes: PackageResources._007_blame_and_clocks_sql),
    Migration(
      number: 8, name: "0008_sources_and_schedules", bytes: PackageResources._008_sources_and_schedules_sql),
    Migration(
      number: 9, name: "0009_after_and_previews", bytes: PackageResources._009_after_and_previews_sql),
  ]

  /// The schema this build reads and writes.
  package static let latest = all.count

  /// Every migration of a queue on PostgreSQL, in order. Its numbers are its own.
  package static let postgresql: [Migration] = [
    Migration(number: 1, name: "0001_queue_of_many", bytes: PackageResources._001_queue_of_many_sql)
  ]

  /// A step without a file, for tests.
  package init(number: Int, name: String, sql: String) {
    self.number = number
    self.name = name
    self.sql = sql
  }

  // The files come embedded in the binary, so that a binary can never meet the wrong ones.
  private init(number: Int, name: String, bytes: [UInt8]) {
    self.number = number
    self.name = name
    self.sql = String(decoding: bytes, as: UTF8.self)
  }
}
