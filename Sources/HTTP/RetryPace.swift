import Glibc

/// How often a request is tried again, and how long to wait before.
package struct RetryPace: Sendable {
  /// The seconds before each further try. There are as many further tries as numbers.
  package var delays: [Double]
  /// The longest wait in seconds that a site may ask for.
  package var longestWait: Int

  package init(delays: [Double] = [1, 2, 4, 8, 8], longestWait: Int = 600) {
    self.delays = delays
    self.longestWait = longestWait
  }

  /// Waits, at random up to a fifth longer or shorter, so that many clients do not come back at the same time.
  /// - Throws: `TransportError.stopped`
  package func wait(_ seconds: Double, stop: StopFlag) throws(TransportError) {
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

/// Counts the tries of a request or a file.
package struct Retries {
  private let pace: RetryPace
  private let stop: StopFlag
  private var failures = 0

  /// None yet.
  package init(_ pace: RetryPace, stop: StopFlag) {
    self.pace = pace
    self.stop = stop
  }

  /// New bytes were received, so earlier failures no longer count.
  package mutating func progressed() { failures = 0 }

  /// Waits before the next try, as long as the site asks, or as the pace says.
  /// - Returns: whether there is a next try.
  /// - Throws: `TransportError.stopped`
  package mutating func pause(asked seconds: Int? = nil) throws(TransportError) -> Bool {
    guard failures < pace.delays.count else { return false }
    let delay = seconds.map(Double.init) ?? pace.delays[failures]
    failures += 1
    try pace.wait(delay, stop: stop)
    return true
  }
}
