import Foundation

/// How long tests wait for what must come.
///
///     while process.isRunning, Date() < limit { … }           // let limit = Patience.end
package enum Patience {
  /// Seconds after which a test gives up on a program or a thread. It only ends a test that hangs: on a busy machine a process
  /// may stand still for a minute at any point, and what takes a second alone takes a quarter of an hour.
  package static let seconds = 1800.0

  /// When a test that begins to wait now gives up.
  package static var end: Date { Date(timeIntervalSinceNow: seconds) }
}
