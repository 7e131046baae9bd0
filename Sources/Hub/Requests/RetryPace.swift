import Glibc

/// How long to wait before a request is made again, and how often.
package struct RetryPace: Sendable {
  /// Seconds before each further try; as many tries as there are.
  package var delays: [Double]
  /// The longest wait that a site may ask for.
  package var longestWait: Int

  package init(delays: [Double] = [1, 2, 4, 8, 8], longestWait: Int = 600) {
    self.delays = delays
    self.longestWait = longestWait
  }

  /// Waits, a fifth longer or shorter, so that many clients do not come back at once.
  /// - Throws: `HubError.stopped`
  func wait(_ seconds: Double, stop: StopFlag) throws(HubError) {
    var left = seconds * Double.random(in: 0.8...1.2)
    while left > 0 {
      if stop.isSet { throw .stopped }
      let slice = min(left, 0.1)
      usleep(UInt32(slice * 1_000_000))
      left -= slice
    }
    if stop.isSet { throw .stopped }
  }
}

/// The tries of one request or one file.
struct Retries {
  private let pace: RetryPace
  private let stop: StopFlag
  private var failures = 0

  init(_ pace: RetryPace, stop: StopFlag) {
    self.pace = pace
    self.stop = stop
  }

  /// Something new has come: what failed before does not count any more.
  mutating func progressed() { failures = 0 }

  /// Waits before the next try, as long as the site asks or as the pace says.
  /// - Returns: whether there is a next try.
  /// - Throws: `HubError.stopped`
  mutating func waitAgain(asked seconds: Int? = nil) throws(HubError) -> Bool {
    guard failures < pace.delays.count else { return false }
    let delay = seconds.map(Double.init) ?? pace.delays[failures]
    failures += 1
    try pace.wait(delay, stop: stop)
    return true
  }
}
