import GRDB

/// What the queue knows about a model: a row of the table `models`.
package struct ModelRecord: FetchableRecord, Sendable, Equatable {
  /// The name or absolute path in requests.
  package var name: String
  /// Folder or `.safetensors` file.
  package var path: String?
  /// "sd", "segmoe", …
  package var kind: String?
  /// SHA-256 over its files, hexadecimal.
  package var digest: String?
  /// Size on disk in bytes.
  package var bytes: Int64?
  /// In words, e.g. "SDXL, one file" or "4x2, layers all".
  package var description: String?
  package var loadedAt: Milliseconds?
  /// Load failures in a row, as an older version counted them. Nothing counts any more; a load sets it to 0.
  package var loadFailures = 0
  package var loadError: String?
  /// Its jobs wait until this time.
  package var heldUntil: Milliseconds?
  /// The daemons that have it in their folders, by name; none: it was only loaded once.
  package var workers: [String] = []
  /// Why none of them can use it, e.g. that its header is damaged.
  package var fault: String?

  package init(
    name: String, path: String? = nil, kind: String? = nil, digest: String? = nil, bytes: Int64? = nil,
    description: String? = nil
  ) {
    self.name = name
    self.path = path
    self.kind = kind
    self.digest = digest
    self.bytes = bytes
    self.description = description
  }

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "models")
    name = try reader.value("name")
    path = try reader.optional("path")
    kind = try reader.optional("kind")
    digest = try reader.optional("digest")
    bytes = try reader.optional("bytes")
    description = try reader.optional("description")
    loadedAt = try reader.optional("loaded_at")
    loadFailures = try reader.value("load_failures")
    loadError = try reader.optional("load_error")
    heldUntil = try reader.optional("held_until")
  }
}
