import Diffusion
import JobStore
import Requests
import WeightCache

/// Jobs side by side wait for each other's memory.
extension JobRenderer {
  /// Whether a job has no others beside it: its own memory budget bounds the process.
  func isKeptAlone(_ claimed: ClaimedJob) -> Bool {
    governor.narrows(claimed.request.render.memoryBudget?.bytes)
  }

  /// Waits until a job may take memory, behind those that have waited for longer.
  /// - Throws: `Interruption`
  func waitForMemory(_ claimed: ClaimedJob) throws {
    try governor.begin(alone: isKeptAlone(claimed)) { try pause(claimed) }
  }

  /// Waits until no other job has memory, and keeps others from it. Nothing of this job may be at work.
  /// - Parameters:
  ///   - claimed: the job.
  ///   - error: why it cannot begin beside others.
  /// - Throws: `Interruption`
  func waitToBeAlone(_ claimed: ClaimedJob, _ error: MemoryError) throws {
    log.notice(
      "job \(claimed.job.id) waits until the jobs beside it are over: \(error)", metadata: claimed.fields)
    try governor.waitToBeAlone { try pause(claimed) }
  }

  /// Unloads idle models if a job would be refused because of what they hold outside the cache, such as factors of LoRAs.
  /// - Parameters:
  ///   - request: the job's next picture.
  ///   - renderer: renders it.
  ///   - pool: the models.
  func makeRoom(for request: PictureRequest, _ renderer: Renderer, _ pool: inout ModelPool) throws {
    guard pool.names.count > 1, try renderer.lacksRoom(for: request) else { return }
    pool.unloadOthers(than: renderer.model)
  }

  /// A job's first picture, with its files read. Idle models are unloaded if there is no room for them.
  func picture(
    _ request: RenderRequest, of renderer: Renderer, _ pool: inout ModelPool
  ) throws -> PictureRequest {
    do {
      return try renderer.picture(request)
    } catch is MemoryError where pool.names.count > 1 {
      pool.unloadOthers(than: renderer.model)
      return try renderer.picture(request)
    }
  }

  private func pause(_ claimed: ClaimedJob) throws {
    let render = claimed.request.render
    reporter.progress(
      .init(
        job: claimed.job.id, image: 0, images: render.count, phase: "waiting for memory", step: 0,
        steps: render.steps, secondsPerStep: nil))
    try check(claimed.lease)
    if stop.sleep(seconds: Worker.memoryPause) { throw Interruption.stopping }
  }
}
