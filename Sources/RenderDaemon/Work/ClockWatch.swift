import Foundation

/// Notices when the time of day jumps. If it is set back, everything that ends at a time ends later. If it is set
/// forward, or the machine slept, leases seem to have expired although there was no time to renew them.
package struct ClockWatch {
  /// Seconds from the monotonic clock to the time of day.
  private var lead: Double

  package init(wall: Double = Date().timeIntervalSince1970, steady: Double = CheckpointPace.now) {
    lead = wall - steady
  }

  /// A jump of more than a second. Corrections by a time server are a few milliseconds at a time.
  package enum Jump { case back, forward }

  /// The jump since the last call; nil if there was none.
  package mutating func jump(
    wall: Double = Date().timeIntervalSince1970, steady: Double = CheckpointPace.now
  ) -> Jump? {
    defer { lead = wall - steady }
    if wall - steady < lead - 1 { return .back }
    return wall - steady > lead + 1 ? .forward : nil
  }
}
