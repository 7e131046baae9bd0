import Foundation
import Images
import Requests
import Tensors
import WeightCache

/// Turns requests into pictures with one model (diffusers' `StableDiffusionPipeline.__call__` and
/// `StableDiffusionXLPipeline.__call__`).
///
/// The pixels depend on the request and the model only, and on the budget if a decode goes in tiles for it. They depend
/// neither on threads nor on what else is in memory or was rendered before.
package struct Renderer: Sendable {
  package let model: DiffusionModel
  package let pass: ForwardPass
  let governor: MemoryGovernor
  private let texts: TextMemory
  /// Decodes previews; nil: none are decoded.
  let previews: PreviewDecoder?

  /// - Parameters:
  ///   - model: what renders.
  ///   - pass: where numbers are computed and uses of weights are counted.
  ///   - governor: the governor of the cache that the model's weights are in; nil: there is no bound but the cache's
  ///     own.
  ///   - texts: shared by renderers whose renders follow each other.
  ///   - previews: decodes previews, if it fits the model; nil: none are decoded.
  package init(
    model: DiffusionModel, pass: ForwardPass, governor: MemoryGovernor? = nil,
    texts: TextMemory = TextMemory(), previews: PreviewDecoder? = nil
  ) {
    self.model = model
    self.pass = pass
    self.governor = governor ?? MemoryGovernor(budget: nil, cache: model.cache)
    self.texts = texts
    self.previews = previews.flatMap { $0.fits(model) ? $0 : nil }
  }

  /// Renders one picture.
  /// - Parameters:
  ///   - request: what is rendered.
  ///   - report: called between all stages and steps. An error that it throws ends the render.
  /// - Throws: `DiffusionError` for a request that the model cannot render, what reading weights throws,
  ///   and what `report` throws.
  package func render(_ request: PictureRequest, report: (RenderProgress) throws -> Void = { _ in }) throws
    -> RGBImage
  {
    var denoising = try begin(request, report: report)
    try report(.denoising(step: 0, steps: denoising.steps))
    while try advance(&denoising) {
      try report(.denoising(step: denoising.step, steps: denoising.steps))
    }
    try report(.decoding(tile: denoising.plan.tile))
    return try decode(denoising)
  }

  /// Encodes the prompts and draws the first noise.
  /// - Parameters:
  ///   - request: what is rendered.
  ///   - beside: bytes that other renders hold at the same time (`RenderGroup.keptBytes`).
  ///   - report: called as the render goes on. An error that it throws ends the render.
  /// - Throws: `DiffusionError`, `MemoryError`, `MemoryRefusal`, and what reading weights and `report` throw.
  package func begin(
    _ request: PictureRequest, beside: Int = 0, report: (RenderProgress) throws -> Void = { _ in }
  ) throws -> Denoising {
    try MemoryRefusal.check { try begun(request, beside: beside, report: report) }
  }

  private func begun(
    _ request: PictureRequest, beside: Int, report: (RenderProgress) throws -> Void
  ) throws -> Denoising {
    let pixels = model.decoder.pixelsPerLatent
    try request.validate(multiple: pixels)
    try checkSource(request)
    let scheduler = try model.scheduler(for: request)
    try report(.encoding)
    let isGuided = isGuided(request)
    let (known, plan, memory, standing) = try reckon(request, beside: beside)
    try governor.admit(memory, standing)
    model.cache.expect(cycle: plan.step.uses)
    let text: PreparedText
    if let known {
      text = known
    } else {
      enter(plan.text, standing)
      // What is kept for later renders must not wait for the check of this one.
      text = try MemoryRefusal.check { try prepare(request, isGuided: isGuided, pass) }
      texts.keep(text, for: textKey(request))
    }
    if let encoding = plan.encoding { enter(encoding, standing, kept: plan.text.keptBytes) }
    var noise = TorchNoise(seed: request.seed)
    let start = try request.source.map { try startingPoint(from: $0, request, noise: &noise) }
    let kept = plan.text.keptBytes
    enter(
      plan.step.sharing(with: plan.preview?.phase, within: standing.left.map { $0 - kept }), standing,
      kept: kept, isStep: true)
    let firstCall = request.skippedSteps * scheduler.order
    let latents: Tensor
    if let start, let source = request.source, source.mask == nil || request.strength < 1 {
      latents = scheduler.noised(start.latents, noise: start.noise, call: firstCall)
    } else {
      let first = start?.noise ?? firstNoise(request, &noise)
      latents = combine(scheduler.initialSigma, first, 0, first)
    }
    return Denoising(
      scheduler: scheduler, guidance: isGuided ? Guidance(request.render) : nil, text: text,
      noise: noise, latents: latents, plan: plan, start: start, firstCall: firstCall)
  }

  /// The noise that a render begins with, or that is put on a picture. What later steps draw follows from the seed
  /// alone, as in AUTOMATIC1111's `ImageRNG`.
  func firstNoise(_ request: PictureRequest, _ stream: inout TorchNoise) -> Tensor {
    let size = model.decoder.pixelsPerLatent
    let (channels, height, width) = (
      model.unet.configuration.outputChannels, request.height / size, request.width / size
    )
    let noise = stream.latents(channels: channels, height: height, width: width)
    guard request.variationStrength != 0 else { return noise }
    var other = TorchNoise(seed: request.variationSeed)
    return noise.turned(
      toward: other.latents(channels: channels, height: height, width: width), by: request.variationStrength)
  }

  /// A request's text context if it is known, its plan and what that takes, and the process's memory at the moment.
  private func reckon(_ request: PictureRequest, beside: Int) throws -> (
    known: PreparedText?, plan: RenderPlan, memory: MemoryPlan, standing: MemoryStanding
  ) {
    let known = texts.text(for: textKey(request))
    let text = try textPlan(request)
    // A known text context is in memory already, and is counted with the render.
    let mine = known == nil ? 0 : text.phase.keptBytes
    let standing = governor.standing(known: mine, beside: beside)
    let plan = try plan(request, text)
    return (known, plan, try memory(plan, request, text, standing), standing)
  }

  /// A request with its files read, for its first picture. Weights make room for reading them.
  /// - Throws: `CheckpointError` and `ImageError` for files that cannot be read, `MemoryError` if there is no room to
  ///   read them or to render, `MemoryRefusal`.
  package func picture(_ request: RenderRequest) throws -> PictureRequest {
    try MemoryRefusal.check {
      try model.picture(request) { bytes, unread in
        try governor.spare(bytes, before: reckon(unread, beside: 0).memory)
      }
    }
  }

  /// Whether there is too little memory for a request at the moment.
  package func lacksRoom(for request: PictureRequest) throws -> Bool {
    let (_, _, memory, standing) = try reckon(request, beside: 0)
    return standing.lacks(memory.smallest)
  }

  /// Whether the UNet also computes an unconditional row.
  func isGuided(_ request: PictureRequest) -> Bool {
    request.guidance > 1 && model.unet.configuration.guidanceWidth == nil
  }

  /// Everything in a request that `prepare` depends on.
  private func textKey(_ request: PictureRequest) -> String {
    [
      model.cacheName, request.prompt, String(reflecting: request.negativePrompt), "\(isGuided(request))",
      "\(Guidance(request.render).isPartial)",
      String(reflecting: request.reading),
      "\(request.timeIDs)", "\(request.guidance)",
    ].map { "\($0.utf8.count):\($0)" }.joined()
  }

  /// Encodes the prompts and projects them for all cross-attention layers.
  func prepare(_ request: PictureRequest, isGuided: Bool, _ pass: ForwardPass) throws -> PreparedText {
    let conditioning = try model.prompts(
      isGuided ? [request.negativePrompt, request.prompt] : [request.prompt], request.reading, pass)
    func context(_ states: Tensor, _ pooled: Tensor?) throws -> TextContext {
      try model.unet.prepare(
        states, added: pooled.map { AddedConditions(pooled: $0, sizes: request.timeIDs) },
        guidanceScale: Float(request.guidance), pass)
    }
    let rows = try context(conditioning.states, conditioning.pooled)
    // A mixture routes a row by itself otherwise than beside another, so its projections are made anew.
    guard isGuided, Guidance(request.render).isPartial else { return PreparedText(rows: rows, alone: nil) }
    return PreparedText(
      rows: rows, alone: try context(conditioning.states.image(1), conditioning.pooled?.image(1)))
  }

  /// Gives a phase the memory that it needs, and announces its uses to the cache.
  private func enter(_ phase: PhasePlan, _ standing: MemoryStanding, kept: Int = 0, isStep: Bool = false) {
    governor.enter(phase, standing, kept: kept, ledger: pass.ledger)
    model.cache.begin(lead: isStep ? [] : phase.uses, ledger: pass.ledger)
  }

  /// Takes one denoising step.
  /// - Returns: false if none was left.
  /// - Throws: `MemoryRefusal`, and what reading weights throws. Then no step was taken.
  package func advance(_ denoising: inout Denoising) throws -> Bool {
    guard denoising.step < denoising.steps else { return false }
    denoising.forgetStaleFeature()
    let before = denoising
    denoising = try MemoryRefusal.check {
      let prediction = try model.cache.step(ledger: pass.ledger, isWhole: before.isWhole(at: before.step)) {
        try predict(before, pass)
      }
      return taken(prediction, before)
    }
    return true
  }

  /// The UNet's prediction for the current latents: one row, or two with guidance.
  func predict(_ denoising: Denoising, _ pass: ForwardPass) throws -> Prediction {
    let (step, deep) = (denoising.step, denoising.deep)
    if denoising.isWhole(at: step) { return try call(denoising, at: step, denoising.latents, pass) }
    // After a resume the map is not there. The same latents give the same again.
    let map = try deep?.map ?? deep.flatMap { try call(denoising, at: $0.step, $0.latents, pass).feature }
    return try call(denoising, at: step, denoising.latents, feature: map, pass)
  }

  /// Calls the UNet at a step.
  /// - Parameters:
  ///   - denoising: the render.
  ///   - step: which of its steps.
  ///   - latents: before that step.
  ///   - feature: what the deep part gave earlier; nil: the call is whole.
  ///   - pass: where it is computed.
  private func call(
    _ denoising: Denoising, at step: Int, _ latents: Tensor, feature: Tensor? = nil, _ pass: ForwardPass
  ) throws -> Prediction {
    let index = denoising.firstCall + step
    var input = denoising.scheduler.scaled(latents, step: index)
    if let beside = denoising.start?.beside { input = pass.compute.concatenateChannels(input, beside) }
    let isPair = denoising.guides(at: step)
    let text = isPair ? denoising.text.rows : denoising.text.alone ?? denoising.text.rows
    var savings = denoising.savings(at: step, feature: feature)
    let rows = try model.unet(
      isPair ? Tensor.batch([input, input]) : input, timestep: denoising.scheduler.timesteps[index],
      text: text, saving: &savings, pass)
    return Prediction(rows: rows, feature: savings.feature)
  }

  /// Takes a scheduler's step with a prediction.
  /// - Returns: the render after the step.
  func taken(_ prediction: Prediction, _ before: Denoising) -> Denoising {
    var denoising = before
    let (step, latents) = (denoising.firstCall + denoising.step, denoising.latents)
    if denoising.isWhole(at: denoising.step) {
      denoising.deep = prediction.feature.map { _ in DeepFeature(step: denoising.step, latents: latents) }
    }
    denoising.deep?.map = prediction.feature
    let rows = prediction.rows
    let output: Tensor
    if let guidance = denoising.guidance, denoising.guides(at: denoising.step) {
      output = guidance.joined(unconditional: rows.image(0), conditional: rows.image(1))
    } else {
      output = rows
    }
    denoising.prediction = StepPrediction(output: output, sample: latents, call: step)
    var noise = denoising.noise
    denoising.latents = denoising.scheduler.step(step, output: output, sample: latents) {
      noise.latents(channels: latents.shape[3], height: latents.shape[1], width: latents.shape[2])
    }
    if let start = denoising.start {
      let next = denoising.step + 1 < denoising.steps ? step + 1 : nil
      denoising.latents = start.blended(denoising.latents, denoising.scheduler, next: next)
    }
    denoising.noise = noise
    denoising.step += 1
    if denoising.isDone { denoising.deep = nil }
    return denoising
  }

  /// Decodes the picture of a render whose steps are done.
  /// - Throws: `DiffusionError.notFinite`, `MemoryRefusal`, and what reading weights throws.
  package func decode(_ denoising: Denoising) throws -> RGBImage {
    let kept = denoising.plan.text.keptBytes
    enter(denoising.plan.decoding, governor.standing(known: kept), kept: kept)
    return try decode(denoising.latents, tile: denoising.plan.tile)
  }

  /// Decodes latents, `[1, height, width, channel]`, to pixels in −1…1.
  func decoded(_ latents: Tensor, tile: Int?, _ pass: ForwardPass) throws -> Tensor {
    let undoing = model.family == .xl
    guard let tile else { return try model.decoder(latents, undoingNormalization: undoing, pass) }
    return try TiledDecoding(edge: tile).decode(latents, model.decoder, undoingNormalization: undoing, pass)
  }

  /// Decodes latents, `[1, height, width, channel]`, to a picture.
  /// - Parameters:
  ///   - latents: the latents of the finished render.
  ///   - tile: edge of a tile in latents; nil to decode the whole at once.
  /// - Throws: `DiffusionError.notFinite`, `MemoryRefusal`, and what reading weights throws.
  private func decode(_ latents: Tensor, tile: Int?) throws -> RGBImage {
    guard latents.isFinite else { throw DiffusionError.notFinite(stage: "denoiser") }
    let pixels = try MemoryRefusal.check { try decoded(latents, tile: tile, pass) }
    return try RGBImage(decoded: pixels, by: "VAE decoder")
  }
}
