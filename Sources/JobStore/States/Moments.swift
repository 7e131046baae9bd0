import Foundation

/// A point in time as the tables store it: milliseconds since 1970.
package typealias Milliseconds = Int64

extension Date {
  /// The time as the tables store it. Times that they cannot hold are clamped.
  package var milliseconds: Milliseconds {
    let value = timeIntervalSince1970 * 1000
    guard value.isFinite, abs(value) < 9e15 else { return value > 0 ? 9_000_000_000_000_000 : 0 }
    return Milliseconds(value.rounded())
  }

  /// A time from a table.
  package init(milliseconds: Milliseconds) {
    self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
  }
}

extension Double {
  /// Seconds as milliseconds. NaN and numbers too large for a time become 0.
  var asMilliseconds: Milliseconds {
    isFinite && abs(self) < 9e12 ? Milliseconds((self * 1000).rounded()) : 0
  }
}
