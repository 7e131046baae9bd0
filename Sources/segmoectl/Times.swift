import CommandLine
import Foundation
import JobStore

/// "90s", "30m", "8h", "2d" from now, or a local date and time.
/// - Throws: `Problem.usage`
func moment(_ text: String) throws -> Milliseconds {
  if let seconds = seconds(text) { return Date().addingTimeInterval(seconds).milliseconds }
  let formatter = DateFormatter()
  formatter.locale = Locale(identifier: "en_US_POSIX")
  formatter.isLenient = false
  for format in ["yyyy-MM-dd'T'HH:mm:ssXXXXX", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm", "yyyy-MM-dd"] {
    formatter.dateFormat = format
    if let date = formatter.date(from: text) { return date.milliseconds }
  }
  throw Problem.usage("time '\(text)' is not understood: write 90s, 30m, 8h, 2d or 2026-11-23T20:00")
}

/// "90s", "30m", "8h", "2d" ago, or a local date and time.
/// - Throws: `Problem.usage`
func pastMoment(_ text: String) throws -> Milliseconds {
  if let seconds = seconds(text) { return Date().addingTimeInterval(-seconds).milliseconds }
  return try moment(text)
}

/// "90s", "30m", "8h" or "2d" in seconds.
/// - Throws: `Problem.usage`
func pause(_ text: String) throws -> TimeInterval {
  guard let seconds = seconds(text) else {
    throw Problem.usage("pause '\(text)' is not understood: write 90s, 30m, 8h or 2d")
  }
  return seconds
}

private func seconds(_ text: String) -> TimeInterval? {
  let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
  guard let unit = text.last.flatMap({ units[$0] }), let number = Double(text.dropLast()), number >= 0,
    number < 1e7
  else { return nil }
  return number * unit
}
