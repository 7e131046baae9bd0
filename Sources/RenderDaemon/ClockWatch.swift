import Foundation

/// Notices when somebody sets the time of day back: whatever was to end at a time then ends later by as much.
struct ClockWatch {
  /// Seconds that the time of day is ahead of the clock that only goes forward.
  private var lead: Double

  init(wall: Double = Date().timeIntervalSince1970, steady: Double = CheckpointPace.now) {
    lead = wall - steady
  }

  /// Whether it was set back by more than a second since the last look. What a time server corrects, a few
  /// milliseconds at a time, is less.
  mutating func wentBack(
    wall: Double = Date().timeIntervalSince1970, steady: Double = CheckpointPace.now
  ) -> Bool {
    defer { lead = wall - steady }
    return wall - steady < lead - 1
  }
}
