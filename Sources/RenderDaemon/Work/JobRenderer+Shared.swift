import JobStore
import Requests
import SharedFiles

extension JobRenderer {
  /// Brings what a job names of a shared place into this machine's cache.
  /// - Returns: where it lies, by its name.
  /// - Throws: `Interruption`, `SharedError`, `DaemonError.noSharedPlace`
  func bringShared(_ claimed: ClaimedJob) throws -> [String: String] {
    guard hasSharedNames else { return [:] }
    var places: [String: String] = [:]
    let render = claimed.request.render
    for text in render.files {
      guard let name = SharedName(text) else { continue }
      guard let shared else { throw DaemonError.noSharedPlace(name: text) }
      try report(claimed, index: 0, .loading, step: 0, steps: render.steps)
      let path: String
      do {
        path = try shared.local(name, most: mostShared) {
          if stop.isRequested { throw Interruption.stopping }
          try check(claimed.lease)
          // A large file takes longer than a service manager waits for a sign of life.
          reporter.progress(
            .init(
              job: claimed.job.id, image: 0, images: render.count, phase: "loading", step: 0,
              steps: render.steps, secondsPerStep: nil))
        }
      } catch SharedError.stopped {
        throw Interruption.stopping
      }
      places[text] = path
    }
    return places
  }
}
