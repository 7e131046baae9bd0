import Tensors

/// What a call of the UNet gives.
struct Prediction: Sendable {
  /// One row, or two with guidance, `[rows, height, width, channel]`.
  let rows: Tensor
  /// The map between the deep part and the outer one; nil without `deep_cache`.
  let feature: Tensor?
}

/// What the UNet said at one step, and to which latents: from both follows the picture that it has in mind.
struct StepPrediction: Sendable {
  /// The UNet's output with guidance applied, `[1, height, width, channel]`.
  let output: Tensor
  /// The latents before the step.
  let sample: Tensor
  /// Index of the scheduler's call.
  let call: Int
}

/// A render between two steps.
package struct Denoising: Sendable {
  var scheduler: any Scheduler
  /// nil without guidance; then there is no unconditional row.
  let guidance: Guidance?
  let text: PreparedText
  var noise: TorchNoise
  /// `[1, height, width, channel]`.
  package internal(set) var latents: Tensor
  /// Steps done.
  package internal(set) var step = 0
  /// What the last whole call of the UNet left; nil without `deep_cache`, before the first step and after the last.
  var deep: DeepFeature?
  /// Of the last step, for a preview; nil before the first one since it began or was resumed.
  var prediction: StepPrediction?
  /// The memory that the render takes.
  package let plan: RenderPlan
  /// Given if the render starts from a picture; nil if it starts from noise.
  let start: StartingPoint?
  /// Index of the scheduler's call that it begins with.
  let firstCall: Int

  init(
    scheduler: any Scheduler, guidance: Guidance?, text: PreparedText, noise: TorchNoise, latents: Tensor,
    plan: RenderPlan, start: StartingPoint? = nil, firstCall: Int = 0
  ) {
    self.scheduler = scheduler
    self.guidance = guidance
    self.text = text
    self.noise = noise
    self.latents = latents
    self.plan = plan
    self.start = start
    self.firstCall = firstCall
  }

  /// Steps in all.
  package var steps: Int { scheduler.timesteps.count - firstCall }

  /// Whether a step has an unconditional row.
  func guides(at step: Int) -> Bool { guidance?.isUsed(at: step, of: steps) ?? false }

  /// Whether no step is left.
  package var isDone: Bool { step == steps }
}
