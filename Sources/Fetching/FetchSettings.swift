import HTTP
import Hub
import Requests

/// How one fetcher runs.
package struct FetchSettings: Sendable {
  /// Path of the queue's database.
  package var database: String
  /// Tokens, sites and the cache.
  package var hub: HubSettings
  /// What may be fetched.
  package var limits: SourceLimits
  /// The daemon's folders of models: what is in them under the name of a card is not fetched.
  package var modelFolders: [String]
  /// Seconds before a source is tried again whose site could not be reached; as many tries as there are, and one.
  package var pauses: [Double] = [10, 30, 60, 300, 600]
  /// Of the tries of one request.
  package var pace = RetryPace()
  /// Seconds from one line of progress in the queue to the next.
  package var interval = 1.0

  package init(
    database: String, hub: HubSettings, limits: SourceLimits = SourceLimits(), modelFolders: [String] = []
  ) {
    self.database = database
    self.hub = hub
    self.limits = limits
    self.modelFolders = modelFolders
  }

  /// Whether a fault may pass, and seconds until the next try; nil: the source cannot be had.
  /// - Parameters:
  ///   - error: what ended the try.
  ///   - tries: that ended so before.
  func pause(after error: any Error, tries: Int) -> Double? {
    guard pauses.indices.contains(tries) else { return nil }
    switch error {
    case HubError.rateLimited(_, let seconds, _): return max(pauses[tries], Double(seconds ?? 0))
    case HubError.unreachable, HubError.gaveUp: return pauses[tries]
    default: return nil
    }
  }
}
