import Images
import Tensors
import WeightCache

extension Renderer {
  /// A small picture of what a render will probably become: the clean latents that its last step predicted, each as a
  /// pixel. It changes nothing in the render.
  /// - Parameter denoising: the render between two steps.
  /// - Returns: nil before the first step since the render began or was resumed, and if it is not known how its latents
  ///   look.
  /// - Throws: `ImageError`, `MemoryRefusal`.
  package func preview(of denoising: Denoising) throws -> RGBImage? {
    guard let look = LatentPreview(of: model) else { return nil }
    return try MemoryRefusal.check { try predicted(denoising).map { try look($0) } }
  }

  /// The same, decoded by the tiny autoencoder for previews. It takes the threads, and memory that a step needs and that
  /// is free between two steps, so no step may run meanwhile.
  /// - Parameter denoising: the render between two steps.
  /// - Returns: nil before the first step since the render began or was resumed, without a tiny autoencoder, if there is
  ///   no room for it, and for latents that are not numbers.
  /// - Throws: `DiffusionError.notFinite`, `MemoryRefusal`, and what reading weights throws.
  package func decodedPreview(of denoising: Denoising) throws -> RGBImage? {
    guard let previews, let plan = denoising.plan.preview, governor.hasRoom(for: plan.phase) else {
      return nil
    }
    return try MemoryRefusal.check {
      guard let latents = predicted(denoising), latents.isFinite else { return nil }
      return try previews(latents, pass.compute)
    }
  }

  /// The clean latents that a render's last step predicted, at the UNet's scale.
  private func predicted(_ denoising: Denoising) -> Tensor? {
    guard let taken = denoising.prediction else { return nil }
    let image = denoising.scheduler.image(
      taken.output, sample: taken.sample, call: taken.call, model.schedulerConfiguration.prediction)
    // What is not painted anew stays as it is.
    return denoising.start?.blended(image, denoising.scheduler, next: nil) ?? image
  }
}
