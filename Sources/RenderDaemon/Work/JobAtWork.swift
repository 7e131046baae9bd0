import Diffusion
import Foundation
import JobStore

/// A claimed job whose model is loaded.
struct JobAtWork {
  let claimed: ClaimedJob
  let renderer: Renderer
  /// The request of each picture.
  let requests: [PictureRequest]
  /// Folder for its pictures.
  let folder: String
  /// How many pictures were begun.
  var begun = 0
  /// The finished pictures.
  var images: [ImageRecord] = []

  init(claimed: ClaimedJob, renderer: Renderer, requests: [PictureRequest], folder: String) {
    self.claimed = claimed
    self.renderer = renderer
    self.requests = requests
    self.folder = folder
  }

  /// How a picture's file may be named.
  func name(_ index: Int) -> PictureName {
    PictureName(batch: claimed.job.batch, job: claimed.job.id, index: index)
  }

  var isDone: Bool { images.count == requests.count }
}

/// A picture between two of its steps.
struct PictureAtWork {
  let job: Int64
  let index: Int
  let request: PictureRequest
  let began: Date
  /// Its render in the group.
  let render: RenderGroup.Handle
  var pace: CheckpointPace
  /// Files of this picture that an earlier attempt or this one has told the queue of, by path.
  var announced: [String: ImageRecord]
  /// The step at which this attempt began.
  private let firstStep: Int
  private let firstStepBegan = Date()

  /// The result of beginning a picture.
  enum Beginning {
    case begun(PictureAtWork)
    /// An earlier attempt had finished it.
    case finished(ImageRecord)
  }

  init(
    job: Int64, index: Int, request: PictureRequest, began: Date, render: RenderGroup.Handle, firstStep: Int,
    pace: CheckpointPace, announced: [String: ImageRecord]
  ) {
    self.job = job
    self.index = index
    self.request = request
    self.began = began
    self.render = render
    self.pace = pace
    self.announced = announced
    self.firstStep = firstStep
  }

  var place: LastStep.Picture { LastStep.Picture(job: job, index: index) }

  /// Seconds per step by the clock, with the steps of pictures that go together with this one; nil before the first
  /// step.
  func secondsPerStep(at step: Int) -> Double? {
    let done = step - firstStep
    return done > 0 ? Date().timeIntervalSince(firstStepBegan) / Double(done) : nil
  }
}
