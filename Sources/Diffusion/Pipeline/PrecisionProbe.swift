import Tensors

/// One call of each network of a model, to compare precisions.
package struct PrecisionProbe: Sendable {
  /// Text states.
  package let text: Tensor
  /// The UNet's prediction for an unconditional and a conditional row.
  package let noise: Tensor
  /// The decoded latents, −1…1.
  package let pixels: Tensor
  /// The latents that UNet and decoder got.
  package let latents: (Tensor, Tensor)

  /// - Parameters:
  ///   - renderer: the renderer of the model to measure.
  ///   - request: what it renders.
  ///   - step: at which step the UNet is called.
  ///   - latents: the latents for UNet and decoder. nil means this model's own at that step, and its estimate of the
  ///     picture there.
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
      Tensor.batch([input, input]), timestep: denoising.scheduler.timesteps[step], text: denoising.text.rows,
      pass)
    if latents == nil { while try renderer.advance(&denoising) {} }
    let clean = latents?.1 ?? denoising.latents
    pixels = try model.decoder(clean, undoingNormalization: model.family == .xl, pass)
    self.latents = (noisy, clean)
  }
}
