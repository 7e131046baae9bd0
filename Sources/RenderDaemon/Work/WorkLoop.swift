import Boundary
import Diffusion
import Foundation
import JobStore
import Logging
import Synchronization
import Tensors
import WeightCache

/// One of a worker's loops: it claims a job, renders it, alone or with others that go together with it, and looks for the
/// next one. Loops share the models, their weights and the memory. Each has threads and a connection of its own.
struct WorkLoop: Sendable {
  private let worker: Worker
  private let session: any JobWorker
  private let renderer: JobRenderer
  private let governor: MemoryGovernor

  /// - Parameters:
  ///   - worker: whose loop it is.
  ///   - index: which of its loops, from 0.
  /// - Throws: `JobStoreError` if it gets no connection.
  init(of worker: Worker, index: Int) throws {
    let (settings, isOnly) = (worker.settings, worker.settings.jobs <= 1)
    self.worker = worker
    session = isOnly ? worker.session : try worker.session.beside()
    governor = isOnly ? worker.governor : worker.governor.beside()
    renderer = JobRenderer(
      session: session, reports: worker.reports, side: worker.side,
      compute: Compute(threads: settings.threads(ofJob: index)),
      governor: governor, output: settings.output,
      hasSharedNames: QueueDatabase.isServer(settings.database), shared: worker.shared,
      mostShared: settings.sourceLimits.largest, lastStep: worker.lastStep, stop: worker.stop,
      reporter: worker.reporter, seal: worker.seal, checkpointSteps: settings.checkpointSteps,
      previews: settings.previews, waitsForRoom: !settings.drain, metrics: worker.metrics, log: worker.log)
  }

  /// Works until the worker stops or, when draining, until nothing is left to render.
  /// - Throws: `JobStoreError` if the queue cannot be used any more.
  func run() throws {
    try WorkLane.$current.withValue(governor.lane) {
      while let found = try worker.lookout.take({ try worker.nextJob(&$0, governor) }) ?? nil {
        // Whatever a job names is opened in these folders or not at all.
        Confinement.$models.withValue(found.models) {
          Confinement.$pictures.withValue(found.pictures) { work(on: found) }
        }
        worker.atWork.withLock { ($0.jobs, $0.ended) = ($0.jobs - 1, $0.ended + 1) }
      }
    }
  }

  /// Closes its connection.
  func close() {
    guard worker.settings.jobs > 1 else { return }
    do {
      try session.close()
    } catch {
      worker.log.warning("cannot close a connection to the queue: \(error)")
    }
  }

  /// Renders a job, together with others of the same model and size, and writes how each ended. A job's error is
  /// written to its row and not thrown.
  private func work(on found: Lookout.Found) {
    var next: ClaimedJob? = found.claimed
    defer {
      worker.reports.flush()
      governor.end()
    }
    if !governor.hasOthers, governor.measureAgain() != nil { worker.sayBudget() }
    do {
      try renderer.waitForMemory(found.claimed)
    } catch {
      worker.end(JobGroup.Ended(claimed: found.claimed, outcome: .failure(error), pictures: nil))
      return
    }
    renderer.peak.restart()
    var group = JobGroup(renderer: renderer, shelf: worker.shelf, coalesce: worker.settings.coalesce)
    while let claimed = next {
      if claimed.lease.claim > 1 { worker.output.removeTemporaries(of: claimed.job) }
      worker.reports.heartbeat()
      worker.log.info(
        "job \(claimed.job.id) claimed, attempt \(claimed.job.attempts)", metadata: claimed.fields)
      for ended in group.add(claimed) { worker.end(ended) }
      next = nil
      while next == nil, !group.isEmpty {
        // After a reload no further job is taken, nor while another waits for this one's memory.
        if group.wantsMore, !governor.isTaken, worker.current.withLock({ $0.reloads }) == found.reloads,
          !worker.stop.isRequested
        {
          next = companion(of: claimed, found.settings)
        }
        if next == nil { for ended in group.advance() { worker.end(ended) } }
      }
    }
  }

  /// Claims another job that can go together with one at work; nil if there is none or the queue does not answer at
  /// once.
  private func companion(of claimed: ClaimedJob, _ settings: DaemonSettings) -> ClaimedJob? {
    let (request, lacked) = (claimed.request.render, worker.lacked.withLock { $0.all })
    guard !lacked.models.contains(request.model) else { return nil }
    do {
      return try worker.reports.between {
        try session.claimCompanion(
          of: request, limits: settings.limits, without: lacked.files, waits: false)
      }
    } catch JobStoreError.busy {
      return nil
    } catch {
      worker.log.warning("cannot look for further jobs: \(error)")
      return nil
    }
  }
}

extension Worker {
  /// Its loops, one for each job that may be at work at a time.
  /// - Throws: `JobStoreError` if one gets no connection.
  func makeLoops() throws -> [WorkLoop] {
    try (0..<max(1, settings.jobs)).map { try WorkLoop(of: self, index: $0) }
  }

  /// Runs its loops side by side. If one cannot go on, all end.
  /// - Throws: `JobStoreError` if the queue cannot be used any more, and `ThreadError`.
  func run(_ loops: [WorkLoop]) throws {
    defer { for loop in loops { loop.close() } }
    let ends = LoopEnds()
    for (index, loop) in loops.enumerated().dropFirst() {
      do {
        ends.begin()
        try WorkThread.start("segmoed-job-\(index + 1)", stackBytes: 8 << 20) { self.run(loop, ends) }
      } catch {
        halt()
        ends.end(.failure(error))
      }
    }
    ends.begin()
    run(loops[0], ends)
    try ends.wait()
  }

  private func run(_ loop: WorkLoop, _ ends: LoopEnds) {
    let result = Result { try loop.run() }
    if case .failure = result { halt() }
    ends.end(result)
  }
}

/// How a worker's loops ended.
private final class LoopEnds: Sendable {
  private let running = DispatchGroup()
  private let failure = Mutex<(any Error)?>(nil)

  func begin() { running.enter() }

  func end(_ result: Result<Void, any Error>) {
    if case .failure(let error) = result { failure.withLock { $0 = $0 ?? error } }
    running.leave()
  }

  /// Waits until all have ended.
  /// - Throws: the first error of one.
  func wait() throws {
    running.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
