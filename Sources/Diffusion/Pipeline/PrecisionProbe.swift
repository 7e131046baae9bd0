import Tensors

/// One call of each network of a model, to compare precisions by.
package struct PrecisionProbe: Sendable {
  /// Text states.
  package let text: Tensor
  /// What the denoiser gave for an unconditional and a conditional row.
  package let noise: Tensor
  /// The decoded latents, −1…1.
  package let pixels: Tensor
  /// What the denoiser and the decoder were given.
  package let latents: (Tensor, Tensor)

  /// - Parameters:
  ///   - renderer: of the model to measure.
  ///   - request: what it renders.
  ///   - step: which step's call of the denoiser.
  ///   - latents: what to give the denoiser and the decoder; nil: what this model comes to at that step,
  ///     and what it takes for the picture then.
  /// - Throws: what rendering throws.
  package init(_ renderer: Renderer, _ request: PictureRequest, step: Int, latents: (Tensor, Tensor)? = nil)
    throws
  {
    let (model, pass) = (renderer.model, renderer.pass)
    text = try model.prompts([request.negativePrompt, request.prompt], PromptReading(), pass).states
    var denoising = try renderer.begin(request)
    if latents == nil { while denoising.step < step, try renderer.advance(&denoising) {} }
    let noisy = latents?.0 ?? denoising.latents
    let input = denoising.scheduler.scaled(noisy, step: step)
    noise = try model.unet(
      Tensor.batch([input, input]), timestep: denoising.scheduler.timesteps[step], text: denoising.text, pass)
    if latents == nil { while try renderer.advance(&denoising) {} }
    let clean = latents?.1 ?? denoising.latents
    pixels = try model.decoder(clean, undoingNormalization: model.family == .xl, pass)
    self.latents = (noisy, clean)
  }
}
