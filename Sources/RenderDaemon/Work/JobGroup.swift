import Diffusion
import Foundation
import JobStore
import WeightCache

/// The jobs at work: one, or several of one model and size whose pictures go through the model together, so that each
/// part of the model is read once for all of them (`RenderGroup`).
///
/// An error ends the job that it belongs to. The others go on.
struct JobGroup {
  /// A job that is over, with its result.
  struct Ended {
    let claimed: ClaimedJob
    let outcome: Result<JobRenderer.Outcome, any Error>
    /// nil: it never began.
    let pictures: JobPictures?
  }

  private let renderer: JobRenderer
  private let shelf: ModelShelf
  /// How many pictures may be at work at a time.
  private let limit: Int
  /// Whether pictures go together even if nothing is gained, because the user asked for it.
  private let isAsked: Bool
  /// In the order in which they were claimed.
  private var jobs: [JobAtWork] = []
  private var pictures: [PictureAtWork] = []
  /// The renders of the pictures at work.
  private var renders = RenderGroup()
  /// Whether there is no memory for another picture.
  private var isFull = false
  private var ended: [Ended] = []

  /// - Parameters:
  ///   - renderer: renders the pictures.
  ///   - shelf: the models.
  ///   - coalesce: how many pictures go together; nil means as many as gain by it.
  init(renderer: JobRenderer, shelf: ModelShelf, coalesce: Int?) {
    (self.renderer, self.shelf) = (renderer, shelf)
    limit = coalesce ?? 4
    isAsked = coalesce != nil
  }

  var isEmpty: Bool { jobs.isEmpty }

  /// Whether another job could begin at once. A job that has lost a worker stays alone, because it may be what kills
  /// workers.
  var wantsMore: Bool {
    !jobs.isEmpty && !isFull && !pictures.isEmpty && pictures.count < limit
      && jobs.allSatisfy { $0.begun == $0.requests.count && $0.claimed.job.losses == 0 }
  }

  /// Adds a claimed job.
  /// - Returns: the jobs that ended.
  mutating func add(_ claimed: ClaimedJob) -> [Ended] {
    // Weights may have been evicted to open the model, so the pictures at work get their memory again.
    do {
      jobs.append(try renderer.open(claimed, shelf, mayWait: isEmpty))
    } catch {
      renders.enter()
      // There is no memory to open another beside those at work.
      if case Interruption.stopping = error { isFull = true }
      return [Ended(claimed: claimed, outcome: .failure(error), pictures: nil)]
    }
    begin(afresh: true)
    return takeEnded()
  }

  /// Takes one step of every picture, then decodes the finished ones and hands them over to be written.
  /// - Returns: the jobs that ended.
  mutating func advance() -> [Ended] {
    for picture in pictures.map(\.place) {
      attempt(picture) { group, index, denoising, job in
        try group.renderer.pause(
          &group.pictures[index], at: denoising, of: job, among: group.pictures.count)
      }
    }
    step()
    for picture in pictures.filter({ renders[$0.render]?.isDone == true }).map(\.place) {
      attempt(picture) { group, index, denoising, job in
        try group.renderer.pause(
          &group.pictures[index], at: denoising, of: job, among: group.pictures.count)
        try group.renderer.finish(group.pictures[index], at: denoising, of: job)
        group.renders.remove(group.pictures.remove(at: index).render)
        group.isFull = false
        group.noteRendered(job)
      }
    }
    begin()
    return takeEnded()
  }

  private mutating func step() {
    let steps = renders.unfinishedCount
    guard steps > 0 else { return }
    let began = CheckpointPace.now
    let failures = renders.advance()
    let seconds = (CheckpointPace.now - began) / Double(steps)
    for _ in 0..<steps { renderer.metrics.step(seconds: seconds) }
    for picture in pictures {
      if let failure = failures[picture.render] { attempt(picture.place) { _, _, _, _ in throw failure } }
    }
  }

  /// Begins pictures while there is room. The first always begins; others only if going together gains something.
  /// - Parameter afresh: whether the pictures at work get their memory again even if none is added.
  private mutating func begin(afresh: Bool = false) {
    let before = pictures.map(\.place)
    while pictures.count < limit, !isFull,
      let job = jobs.first(where: { $0.begun < $0.requests.count })
    {
      do {
        let index = job.begun
        if try !renders.isEmpty && !hasRoom(for: job.requests[index], of: job) {
          isFull = true
          break
        }
        let beginning = try renderer.begin(index, of: job, in: &renders)
        change(job) { $0.begun += 1 }
        switch beginning {
        case .begun(let picture): pictures.append(picture)
        case .finished(let image):
          job.pictures.add(image)
          noteRendered(job)
        }
      } catch let error as MemoryError where !renderer.governor.isAlone {
        // Others at work beside this group have taken it meanwhile. Whoever has pictures at work does not wait for them.
        guard renders.isEmpty else {
          isFull = true
          break
        }
        do {
          try renderer.waitToBeAlone(job.claimed, error)
          // Models that were in use then may be idle now.
          _ = try shelf.take { try renderer.makeRoom(for: job.requests[job.begun], job.renderer, &$0) }
        } catch {
          end(job, with: error)
          waitForMemory()
        }
      } catch {
        end(job, with: error)
      }
    }
    letOthersBegin()
    if let last = pictures.last, wantsMore {
      // Whether another job of this size would fit must be known before one is claimed.
      isFull = (try? job(last.job).map { try hasRoom(for: last.request, of: $0, holding: false) }) != true
    }
    if afresh || pictures.map(\.place) != before { renders.enter() }
  }

  private func hasRoom(
    for request: PictureRequest, of job: JobAtWork, holding: Bool = true
  ) throws -> Bool {
    try renders.hasRoom(for: request, with: job.renderer, always: isAsked, holding: holding)
  }

  /// Waits until the jobs may take memory, one of which has given up waiting.
  private mutating func waitForMemory() {
    while let next = jobs.first {
      do {
        return try renderer.waitForMemory(next.claimed)
      } catch {
        end(next, with: error)
      }
    }
  }

  /// Whoever waited to be alone is so until it is known what he takes. A job with a budget of its own stays alone.
  private func letOthersBegin() {
    if !jobs.contains(where: { renderer.isKeptAlone($0.claimed) }) { renderer.governor.letOthersBegin() }
  }

  /// Runs `body` for a picture. An error ends its job.
  private mutating func attempt(
    _ place: LastStep.Picture, _ body: (inout JobGroup, Int, Denoising, JobAtWork) throws -> Void
  ) {
    // The picture may have been removed meanwhile, with its job.
    guard let index = pictures.firstIndex(where: { $0.place == place }), let job = job(place.job),
      let denoising = renders[pictures[index].render]
    else { return }
    do {
      try body(&self, index, denoising, job)
    } catch {
      end(job, with: error)
    }
  }

  private mutating func noteRendered(_ job: JobAtWork) {
    change(job) { $0.rendered += 1 }
    guard let job = self.job(job.claimed.job.id), job.isRendered else { return }
    remove(job, outcome: .success(renderer.outcome(of: job)))
  }

  private mutating func end(_ job: JobAtWork, with error: any Error) {
    if case Interruption.stopping = error {
      // Saved for the worker that continues the job.
      for picture in pictures where picture.job == job.claimed.job.id {
        guard let denoising = renders[picture.render], denoising.step > 0 else { continue }
        // If the file has its final name, even if that is not on disk for certain, the row that names it is kept.
        guard !picture.announced.keys.contains(where: { access($0, F_OK) == 0 }) else { continue }
        renderer.keep(picture, at: denoising, of: job)
      }
    }
    remove(job, outcome: .failure(error))
  }

  private mutating func remove(_ job: JobAtWork, outcome: Result<JobRenderer.Outcome, any Error>) {
    let id = job.claimed.job.id
    for picture in pictures where picture.job == id {
      renderer.lastStep.clear(picture.place)
      renders.remove(picture.render)
    }
    pictures.removeAll { $0.job == id }
    jobs.removeAll { $0.claimed.job.id == id }
    isFull = false
    renderer.count(job)
    ended.append(Ended(claimed: job.claimed, outcome: outcome, pictures: job.pictures))
  }

  private mutating func takeEnded() -> [Ended] {
    defer { ended = [] }
    return ended
  }

  private func job(_ id: Int64) -> JobAtWork? { jobs.first { $0.claimed.job.id == id } }

  private mutating func change(_ job: JobAtWork, _ body: (inout JobAtWork) -> Void) {
    guard let index = jobs.firstIndex(where: { $0.claimed.job.id == job.claimed.job.id }) else { return }
    body(&jobs[index])
  }
}
