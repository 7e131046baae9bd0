import Images
import Tensors

/// What the UNet said at one step, and to which latents: from both follows the picture that it has in mind.
struct StepPrediction: Sendable {
  /// The UNet's output with guidance applied, `[1, height, width, channel]`.
  let output: Tensor
  /// The latents before the step.
  let sample: Tensor
  /// Index of the scheduler's call.
  let call: Int
}

extension Renderer {
  /// A small picture of what a render will probably become: the clean latents that its last step predicted, each as a
  /// pixel. It changes nothing in the render.
  /// - Parameter denoising: the render between two steps.
  /// - Returns: nil before the first step since the render began or was resumed, and if it is not known how its latents
  ///   look.
  /// - Throws: `ImageError`
  package func preview(of denoising: Denoising) throws -> RGBImage? {
    guard let taken = denoising.prediction, let look = LatentPreview(of: model) else { return nil }
    let image = denoising.scheduler.image(
      taken.output, sample: taken.sample, call: taken.call, model.schedulerConfiguration.prediction)
    // What is not painted anew stays as it is.
    return try look(denoising.start?.blended(image, denoising.scheduler, next: nil) ?? image)
  }
}
