import Diffusion
import Foundation
import JobStore
import Synchronization

/// A claimed job whose model is loaded.
struct JobAtWork: Sendable {
  let claimed: ClaimedJob
  let renderer: Renderer
  /// The request of each picture.
  let requests: [PictureRequest]
  /// How its pictures are named; nil: by numbers.
  private let pattern: PictureNamePattern?
  /// Keeps its model in the pool.
  private let use: ModelPool.Use?
  /// How many pictures were begun.
  var begun = 0
  /// How many pictures are rendered. Some of them may not be on disk yet.
  var rendered = 0
  /// What has become of them.
  let pictures = JobPictures()

  init(
    claimed: ClaimedJob, renderer: Renderer, requests: [PictureRequest], pattern: PictureNamePattern?,
    use: ModelPool.Use?
  ) {
    self.claimed = claimed
    self.use = use
    self.renderer = renderer
    self.requests = requests
    self.pattern = pattern
  }

  /// How a picture's file may be named.
  func name(_ index: Int) -> PictureName {
    guard let pattern else {
      return PictureName(batch: claimed.job.batch, job: claimed.job.id, index: index)
    }
    return PictureName(pattern, job: claimed.job, index: index, picture: requests[index])
  }

  var isRendered: Bool { rendered == requests.count }
}

/// The pictures of a job that are on disk, and what kept one from it. The thread that writes them tells the one that
/// renders.
final class JobPictures: Sendable {
  private let state = Mutex<(images: [ImageRecord], trouble: (any Error)?)>(([], nil))

  /// In order of their indices.
  var images: [ImageRecord] { state.withLock { $0.images.sorted { $0.index < $1.index } } }

  /// Why the job cannot go on; the first reason.
  var trouble: (any Error)? { state.withLock { $0.trouble } }

  func add(_ image: ImageRecord) { state.withLock { $0.images.append(image) } }

  func fail(_ error: any Error) {
    state.withLock { $0.trouble = $0.trouble ?? error }
  }
}

/// A picture between two of its steps.
struct PictureAtWork: Sendable {
  let job: Int64
  let index: Int
  let request: PictureRequest
  /// Seconds, as `CheckpointPace.now`.
  let began: Double
  /// Its render in the group.
  let render: RenderGroup.Handle
  var pace: CheckpointPace
  var previewPace: PreviewPace
  /// Files of this picture that an earlier attempt has told the queue of, by path.
  let announced: [String: ImageRecord]
  /// The step at which this attempt began.
  private let firstStep: Int
  private let firstStepBegan = CheckpointPace.now
  /// Operations that the daemon had done then.
  private let firstOperations: Int

  /// The result of beginning a picture.
  enum Beginning {
    case begun(PictureAtWork)
    /// An earlier attempt had finished it.
    case finished(ImageRecord)
  }

  init(
    job: Int64, index: Int, request: PictureRequest, began: Double, render: RenderGroup.Handle,
    firstStep: Int,
    pace: CheckpointPace, previewPace: PreviewPace, operations: Int, announced: [String: ImageRecord]
  ) {
    self.job = job
    self.index = index
    self.request = request
    self.began = began
    self.render = render
    self.pace = pace
    self.previewPace = previewPace
    self.announced = announced
    self.firstStep = firstStep
    firstOperations = operations
  }

  var place: LastStep.Picture { LastStep.Picture(job: job, index: index) }

  /// Seconds per step by the clock, with the steps of pictures that go together with this one; nil before the first
  /// step.
  func secondsPerStep(at step: Int) -> Double? {
    let done = step - firstStep
    return done > 0 ? (CheckpointPace.now - firstStepBegan) / Double(done) : nil
  }

  /// Operations in a second since its first step began, with those of pictures that go together with this one; nil before
  /// there are any.
  /// - Parameter operations: that the daemon has done by now.
  func speed(at operations: Int) -> Double? {
    let (done, seconds) = (operations - firstOperations, CheckpointPace.now - firstStepBegan)
    return done > 0 && seconds > 0 ? Double(done) / seconds : nil
  }
}
