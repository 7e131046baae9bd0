import CommandLine
import JobStore
import Requests

/// What the command line says of all jobs.
struct JobOptions {
  /// The settings of a prompt that names none of its own: it is rendered with each of these.
  var drafts: [RequestDraft]
  /// Higher goes first.
  var priority: Int?
  /// Start no earlier.
  var runAfter: Milliseconds?
  /// Until a failing job is given up.
  var maxAttempts: Int
  /// Whether all random seeds are the same one, so that nothing but the settings tells the pictures apart.
  var sharesSeed = false

  /// A job with these options.
  /// - Parameters:
  ///   - render: its request.
  ///   - priority: its own; nil: that of all.
  func job(_ render: RenderRequest, priority: Int?) -> JobRequest {
    var request = JobRequest(render)
    request.priority = priority ?? self.priority ?? 0
    request.runAfter = runAfter
    request.maxAttempts = maxAttempts
    return request
  }
}
