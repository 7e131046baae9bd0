import HTTP

extension Retries {
  /// Waits before the next try, as long as the site asks, or as the pace says.
  /// - Returns: whether there is a next try.
  /// - Throws: `HubError.stopped`
  mutating func waitAgain(asked seconds: Int? = nil) throws(HubError) -> Bool {
    do throws(TransportError) {
      return try pause(asked: seconds)
    } catch {
      throw .stopped
    }
  }
}

extension RetryPace {
  /// Waits for about as long as a site asks.
  /// - Throws: `HubError.stopped`
  func hold(_ seconds: Double, stop: StopFlag) throws(HubError) {
    do throws(TransportError) {
      try wait(seconds, stop: stop)
    } catch {
      throw .stopped
    }
  }
}
