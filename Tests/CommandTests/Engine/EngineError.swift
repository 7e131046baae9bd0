import TestSupport
import Testing

/// An error of the engine is one line: "segmoe: …".
/// - Parameters:
///   - outcome: how the program ended.
///   - code: the exit code.
///   - part: what the line must contain.
///   - output: what was written to standard output before; nil: whatever it is.
///   - location: where to report a difference.
func expectError(
  _ outcome: Outcome, code: Int32, _ part: String, output: String? = "",
  location: SourceLocation = #_sourceLocation
) {
  expectComplaint(outcome, of: "segmoe", code: code, part, output: output, location: location)
}
