import Experts
import Foundation
import Images
import Tensors

/// Turns requests into pictures with one model (diffusers' `StableDiffusionPipeline.__call__` and
/// `StableDiffusionXLPipeline.__call__`).
///
/// The pixels depend on the request and the model alone: not on threads, budget or what was
/// rendered before.
package struct Renderer: Sendable {
  package let model: DiffusionModel
  package let pass: ForwardPass

  package init(model: DiffusionModel, pass: ForwardPass) {
    self.model = model
    self.pass = pass
  }

  /// Renders one picture.
  /// - Parameter report: called between all stages and steps; what it throws ends the render.
  /// - Throws: `DiffusionError` for a request the model cannot render, what reading experts throws,
  ///   and what `report` throws.
  package func render(_ request: RenderRequest, report: (RenderProgress) throws -> Void = { _ in }) throws
    -> RGBImage
  {
    var denoising = try begin(request, report: report)
    try report(.denoising(step: 0, steps: denoising.steps))
    while try advance(&denoising) {
      try report(.denoising(step: denoising.step, steps: denoising.steps))
    }
    try report(.decoding)
    return try decode(denoising.latents)
  }

  /// Encodes the prompts and draws the first noise.
  package func begin(_ request: RenderRequest, report: (RenderProgress) throws -> Void = { _ in }) throws
    -> Denoising
  {
    let pixels = model.decoder.pixelsPerLatent
    try request.validate(multiple: pixels)
    let scheduler = try model.scheduler(for: request)
    try report(.encoding)
    let isGuided = request.guidance > 1 && model.unet.configuration.guidanceWidth == nil
    let conditioning = try model.prompts(
      isGuided ? [request.negativePrompt, request.prompt] : [request.prompt], request.reading, pass.compute)
    let text = try model.unet.prepare(
      conditioning.states,
      added: conditioning.pooled.map {
        AddedConditions(
          pooled: $0, sizes: request.framing.timeIDs(width: request.width, height: request.height))
      },
      guidanceScale: request.guidance, pass)
    var noise = TorchNoise(seed: request.seed)
    let first = noise.latents(
      channels: model.unet.configuration.inputChannels, height: request.height / pixels,
      width: request.width / pixels)
    return Denoising(
      scheduler: scheduler, guidance: isGuided ? request.guidance : nil, text: text,
      noise: noise, latents: combine(scheduler.initialSigma, first, 0, first))
  }

  /// Takes one denoising step; false when there was none left.
  package func advance(_ denoising: inout Denoising) throws -> Bool {
    let (step, latents) = (denoising.step, denoising.latents)
    guard step < denoising.steps else { return false }
    var scheduler = denoising.scheduler
    let input = scheduler.scaled(latents, step: step)
    let rows = denoising.guidance == nil ? input : Tensor.batch([input, input])
    let prediction = try model.unet(
      rows, timestep: scheduler.timesteps[step], text: denoising.text, pass)
    let output: Tensor
    if let guidance = denoising.guidance {
      // unconditional + guidance · (conditional − unconditional)
      output = combine(1 - guidance, prediction.image(0), guidance, prediction.image(1))
    } else {
      output = prediction
    }
    var noise = denoising.noise
    denoising.latents = scheduler.step(step, output: output, sample: latents) {
      noise.latents(channels: latents.shape[3], height: latents.shape[1], width: latents.shape[2])
    }
    denoising.noise = noise
    denoising.scheduler = scheduler
    denoising.step += 1
    return true
  }

  /// Latents `[1, height, width, channel]` to a picture.
  /// - Throws: `DiffusionError.notFinite`.
  package func decode(_ latents: Tensor) throws -> RGBImage {
    guard latents.isFinite else { throw DiffusionError.notFinite(stage: "denoiser") }
    let pixels = model.decoder(latents, undoingNormalization: model.family == .xl, pass.compute)
    guard pixels.isFinite else { throw DiffusionError.notFinite(stage: "VAE decoder") }
    // x/2 + 0.5 held in 0…1, times 255, halves to even, as numpy rounds.
    let bytes = pixels.withUnsafe { values in
      values.map { UInt8((max(0, min(1, $0 / 2 + 0.5)) * 255).rounded(.toNearestOrEven)) }
    }
    return try RGBImage(width: pixels.shape[2], height: pixels.shape[1], pixels: bytes)
  }
}

/// A render between two steps: all that the next step needs.
package struct Denoising: Sendable {
  var scheduler: any Scheduler
  /// nil: no unconditional row.
  let guidance: Float?
  let text: TextContext
  var noise: TorchNoise
  /// `[1, height, width, channel]`.
  package internal(set) var latents: Tensor
  /// Steps done.
  package internal(set) var step = 0

  init(
    scheduler: any Scheduler, guidance: Float?, text: TextContext, noise: TorchNoise, latents: Tensor
  ) {
    self.scheduler = scheduler
    self.guidance = guidance
    self.text = text
    self.noise = noise
    self.latents = latents
  }

  /// Steps in all.
  package var steps: Int { scheduler.timesteps.count }
}

extension Tensor {
  /// Whether no element is infinite or not a number.
  var isFinite: Bool { withUnsafe { $0.allSatisfy(\.isFinite) } }
}
