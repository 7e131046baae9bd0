import GRDB

/// A finished picture: a row of the table `images`.
package struct ImageRecord: FetchableRecord, Sendable, Equatable {
  /// 0 … count - 1.
  package var index: Int
  /// Absolute path of the file.
  package var path: String
  package var seed: UInt64
  /// Pixels.
  package var width: Int
  /// Pixels.
  package var height: Int
  /// SHA-256 of the file, 64 hexadecimal digits.
  package var digest: String
  /// Size of the file in bytes.
  package var bytes: Int64
  /// Seconds from its first step to its file.
  package var seconds: Double
  /// The class of numerics that it was rendered in, as the engine names it; nil: not known.
  package var numerics: String?

  package init(
    index: Int, path: String, seed: UInt64, width: Int, height: Int, digest: String, bytes: Int64,
    seconds: Double, numerics: String? = nil
  ) {
    self.index = index
    self.path = path
    self.seed = seed
    self.width = width
    self.height = height
    self.digest = digest
    self.bytes = bytes
    self.seconds = seconds
    self.numerics = numerics
  }

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "images")
    index = try reader.value("number")
    path = try reader.value("path")
    seed = UInt64(bitPattern: try reader.value("seed", as: Int64.self))
    width = try reader.value("width")
    height = try reader.value("height")
    digest = try reader.value("digest")
    bytes = try reader.value("bytes")
    seconds = try reader.value("seconds")
    numerics = try reader.optional("numerics")
  }
}

/// The progress of an image of a running job: a row of the table `progress`.
package struct ImageProgress: FetchableRecord, Sendable, Equatable {
  /// 0 … count - 1.
  package var index: Int
  package var phase: RenderPhase
  /// Finished steps.
  package var step: Int
  package var steps: Int
  package var secondsPerStep: Double?
  /// When the image will probably be done.
  package var expectedEnd: Milliseconds?

  package init(
    index: Int, phase: RenderPhase, step: Int, steps: Int, secondsPerStep: Double? = nil,
    expectedEnd: Milliseconds? = nil
  ) {
    self.index = index
    self.phase = phase
    self.step = step
    self.steps = steps
    self.secondsPerStep = secondsPerStep
    self.expectedEnd = expectedEnd
  }

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "progress")
    index = try reader.value("number")
    phase = try reader.word("phase")
    step = try reader.value("step")
    steps = try reader.value("steps")
    secondsPerStep = try reader.optional("seconds_per_step")
    expectedEnd = try reader.optional("expected_end")
  }
}
