import Foundation
import TestSupport
import Testing

/// A `segmoe` that was run to its end, and the most memory that it took, as the kernel counts it.
struct MeasuredRun {
  let code: Int32
  let errors: String
  /// By the program's own word, which it has from the kernel: what `wait4` says of a child is never less than
  /// what its parent took. nil if it did not come so far.
  let peakMebibytes: Int?

  init(_ arguments: [String]) throws {
    let outcome = try Outcome(of: "segmoe", arguments)
    (code, errors) = (outcome.code, outcome.errors)
    peakMebibytes = errors.firstMatch(of: /peak (\d+) MiB/).flatMap { Int($0.1) }
  }
}
