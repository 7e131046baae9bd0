import JobStore
import Requests
import SharedFiles

extension JobRenderer {
  /// Brings what a job names of a shared place into this machine's cache, and lets the pool know where it lies.
  /// - Throws: `Interruption`, `SharedError`, `DaemonError.noSharedPlace`
  func bringShared(_ claimed: ClaimedJob, to pool: inout ModelPool) throws {
    guard hasSharedNames else { return }
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
      pool.locator.learn([text: path])
      pool.inputs.learn([text: path])
    }
  }
}
