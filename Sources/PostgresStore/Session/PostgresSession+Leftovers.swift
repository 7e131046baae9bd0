import GRDB
import JobStore

/// Finished pictures of jobs that failed or were cancelled.
extension PostgresSession {
  /// Notes that a file got its final name after its job had been taken away.
  package func disown(_ image: ImageRecord, job: Int64, modelDigest: String) throws {
    _ = try database.connection.rows(
      """
      INSERT INTO checkpoints (job, number, step, state, model_digest, made_at, path, seed, width, height, digest, bytes,
        seconds, numerics, over)
      SELECT id, $2::integer, 0, '', $3::text, milliseconds_now(), $4::text, $5::bigint, $6::integer, $7::integer,
        $8::text, $9::bigint, $10::float8, $11::text, 1
      FROM jobs WHERE id = $1::bigint AND outcome IN ('failed', 'cancelled') FOR KEY SHARE
      ON CONFLICT DO NOTHING
      """, [.integer(job), .integer(Int64(image.index)), .text(modelDigest)] + image.file)
  }

  /// Calls `judge` for such pictures in a folder, and does with their rows what it says. Such a job cannot be retried
  /// meanwhile.
  @discardableResult
  package func settleLeftovers(
    below output: String, _ judge: (Leftover) throws -> Leftover.Fate
  ) throws -> Int {
    // There rarely are any.
    let look =
      "SELECT 1 AS one FROM checkpoints WHERE over = 1 AND starts_with(path, $1::text || '/') LIMIT 1"
    guard try !database.connection.rows(look, [.text(output)]).isEmpty else { return 0 }
    return try database.connection.transaction { link in
      let rows = try link.answer(
        to: """
          SELECT c.job, j.batch, c.number, c.path, c.bytes, c.digest, j.discard, b.name_pattern IS NOT NULL AS patterned
          \(Self.leftovers) ORDER BY c.job, c.number LIMIT 100 FOR UPDATE OF j SKIP LOCKED
          """, [.text(output)]
      ).rows
      var settled = 0
      for row in rows {
        let reader = RowReader(row: row, table: "checkpoints")
        let leftover = Leftover(
          job: try reader.value("job"), batch: try reader.value("batch"), index: try reader.value("number"),
          path: try reader.value("path"), bytes: try reader.value("bytes"),
          digest: try reader.value("digest"),
          isUnwanted: try reader.value("discard"), isPatterned: try reader.value("patterned"))
        let fate = try judge(leftover)
        if fate == .wait { continue }
        _ = try link.answer(
          to: "SELECT settle_leftover($1::bigint, $2::integer, $3::text = '1')",
          [.integer(leftover.job), .integer(Int64(leftover.index)), .flag(fate == .keep)])
        settled += 1
      }
      return settled
    }
  }

  /// Files that this worker may have made, in the folder $1.
  private static let leftovers = """
    FROM checkpoints c JOIN jobs j ON j.id = c.job JOIN batches b ON b.id = j.batch
    WHERE c.over = 1 AND c.path IS NOT NULL AND j.outcome IN ('failed', 'cancelled') AND starts_with(c.path, $1::text || '/' ||
      CASE WHEN b.name_pattern IS NULL THEN j.batch || '/' || c.job || '-' || c.number ELSE '' END)
    """
}

extension ImageRecord {
  /// Its file, as the columns path to numerics have it.
  var file: [ServerValue] {
    [
      .text(path), .integer(Int64(bitPattern: seed)), .integer(Int64(width)), .integer(Int64(height)),
      .text(digest), .integer(bytes), .real(seconds), .text(numerics),
    ]
  }
}
