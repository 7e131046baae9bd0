import Foundation

/// Notices when the time of day jumps. Set back, whatever was to end at a time ends later by as much; set forward,
/// or after the machine slept, leases seem to have run out that nobody had the time to renew.
package struct ClockWatch {
  /// Seconds that the time of day is ahead of the clock that only goes forward.
  private var lead: Double

  package init(wall: Double = Date().timeIntervalSince1970, steady: Double = CheckpointPace.now) {
    lead = wall - steady
  }

  /// A jump of more than a second. What a time server corrects, a few milliseconds at a time, is less.
  package enum Jump { case back, forward }

  /// Whether it jumped since the last look.
  package mutating func jump(
    wall: Double = Date().timeIntervalSince1970, steady: Double = CheckpointPace.now
  ) -> Jump? {
    defer { lead = wall - steady }
    if wall - steady < lead - 1 { return .back }
    return wall - steady > lead + 1 ? .forward : nil
  }
}
