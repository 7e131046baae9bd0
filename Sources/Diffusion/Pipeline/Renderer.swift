import Foundation
import Images
import Tensors
import WeightCache

/// Turns requests into pictures with one model (diffusers' `StableDiffusionPipeline.__call__` and
/// `StableDiffusionXLPipeline.__call__`).
///
/// The pixels depend on the request and the model alone: not on threads, budget or what was
/// rendered before.
package struct Renderer: Sendable {
  package let model: DiffusionModel
  package let pass: ForwardPass
  /// nil: as much memory as there is.
  package let budget: MemoryBudget?
  private let texts: TextMemory
  let footprint: MemoryFootprint

  /// - Parameters:
  ///   - texts: shared by renderers whose renders follow each other; so is `footprint`.
  package init(
    model: DiffusionModel, pass: ForwardPass, budget: MemoryBudget? = nil, texts: TextMemory = TextMemory(),
    footprint: MemoryFootprint = MemoryFootprint()
  ) {
    self.model = model
    self.pass = pass
    self.budget = budget
    self.texts = texts
    self.footprint = footprint
  }

  /// Renders one picture.
  /// - Parameter report: called between all stages and steps; what it throws ends the render.
  /// - Throws: `DiffusionError` for a request the model cannot render, what reading experts throws,
  ///   and what `report` throws.
  package func render(_ request: PictureRequest, report: (RenderProgress) throws -> Void = { _ in }) throws
    -> RGBImage
  {
    var denoising = try begin(request, report: report)
    try report(.denoising(step: 0, steps: denoising.steps))
    while try advance(&denoising) {
      try report(.denoising(step: denoising.step, steps: denoising.steps))
    }
    try report(.decoding)
    return try decode(denoising)
  }

  /// Encodes the prompts and draws the first noise.
  /// - Parameter beside: bytes that other renders hold meanwhile (`RenderGroup.keptBytes`).
  package func begin(
    _ request: PictureRequest, beside: Int = 0, report: (RenderProgress) throws -> Void = { _ in }
  ) throws -> Denoising {
    let pixels = model.decoder.pixelsPerLatent
    try request.validate(multiple: pixels)
    try checkSource(request)
    let scheduler = try model.scheduler(for: request)
    try report(.encoding)
    let isGuided = isGuided(request)
    let (known, plan, fixed) = try reckon(request, beside: beside)
    try check(plan, fixed: fixed)
    model.cache.expect(cycle: plan.step.uses)
    let text: TextContext
    if let known {
      text = known
    } else {
      enter(plan.text, fixed: fixed)
      text = try MemoryRefusal.check { try prepare(request, isGuided: isGuided, pass) }
      texts.keep(text, for: textKey(request))
    }
    if let encoding = plan.encoding { enter(encoding, fixed: fixed + plan.text.keptBytes) }
    var noise = TorchNoise(seed: request.seed)
    let start = try request.source.map { source in
      try MemoryRefusal.check { try startingPoint(from: source, request, noise: &noise) }
    }
    enter(plan.step, fixed: fixed + plan.text.keptBytes, isStep: true)
    let firstCall = request.skippedSteps * scheduler.order
    let latents: Tensor
    if let start, let source = request.source, source.mask == nil || request.strength < 1 {
      latents = scheduler.noised(start.latents, noise: start.noise, call: firstCall)
    } else {
      let first =
        start?.noise
        ?? noise.latents(
          channels: model.unet.configuration.outputChannels, height: request.height / pixels,
          width: request.width / pixels)
      latents = combine(scheduler.initialSigma, first, 0, first)
    }
    return Denoising(
      scheduler: scheduler, guidance: isGuided ? Guidance(request.render) : nil, text: text,
      noise: noise, latents: latents, plan: plan, start: start, firstCall: firstCall)
  }

  /// What is known of a request's text, what rendering it takes, and what the process takes beside that.
  private func reckon(_ request: PictureRequest, beside: Int) throws -> (
    known: TextContext?, plan: RenderPlan, fixed: Int
  ) {
    let known = texts.context(for: textKey(request))
    let text = try textPlan(request)
    // What is known of the text is there already, and counts with the render.
    let mine = known == nil ? 0 : text.phase.keptBytes
    let alone = footprint.bytes(beside: model.cache, known: mine + beside)
    return (known, try plan(request, text, room: budget.map { $0.room(fixed: alone) }), alone + beside)
  }

  /// Whether the budget is too small for a request as things are.
  package func lacksRoom(for request: PictureRequest) throws -> Bool {
    guard let budget else { return false }
    let (_, plan, fixed) = try reckon(request, beside: 0)
    return plan.smallest > budget.bytes - fixed
  }

  /// Whether an unconditional row is computed as well.
  func isGuided(_ request: PictureRequest) -> Bool {
    request.guidance > 1 && model.unet.configuration.guidanceWidth == nil
  }

  /// All that `prepare` looks at.
  private func textKey(_ request: PictureRequest) -> String {
    [
      model.cacheName, request.prompt, String(reflecting: request.negativePrompt), "\(isGuided(request))",
      String(reflecting: request.reading),
      "\(request.timeIDs)", "\(request.guidance)",
    ].map { "\($0.utf8.count):\($0)" }.joined()
  }

  /// Encodes the prompts and projects them for all cross-attention layers.
  func prepare(_ request: PictureRequest, isGuided: Bool, _ pass: ForwardPass) throws -> TextContext {
    let conditioning = try model.prompts(
      isGuided ? [request.negativePrompt, request.prompt] : [request.prompt], request.reading, pass)
    return try model.unet.prepare(
      conditioning.states,
      added: conditioning.pooled.map {
        AddedConditions(pooled: $0, sizes: request.timeIDs)
      },
      guidanceScale: Float(request.guidance), pass)
  }

  /// - Throws: `DiffusionError.memoryBudget` and `.noMemory`
  private func check(_ plan: RenderPlan, fixed: Int) throws {
    if let budget, plan.smallest > budget.bytes - fixed {
      throw DiffusionError.memoryBudget(
        bytes: budget.bytes, smallest: plan.smallest + fixed + MemoryBudget.variation)
    }
    // Without a budget all weights come to stay. What is there already is not asked for again.
    let all = plan.largestPhase + model.byteCounts.total - model.cache.byteCount
    let needed = budget == nil ? max(plan.smallest, all) : plan.smallest
    guard MemoryRefusal.prepare(forBlocksOf: plan.largestBlock),
      TensorMemory.isAvailable(needed + MemoryBudget.margin)
    else { throw DiffusionError.noMemory(bytes: needed) }
    // Freed memory is kept for the next step, of several sizes at a time, because pages that the kernel gives anew are
    // cleared first; but not of every size that ever was, nor all that the machine has left.
    if budget == nil {
      let left = AvailableMemory.bytes.map { max(0, $0 + TensorMemory.now.spare - needed) / 2 } ?? .max
      TensorMemory.setLimit(
        TensorMemory.now.live + needed + min(plan.largestPhase, left) + MemoryBudget.margin)
    }
  }

  /// Tells the cache what comes, and gives it the room that the phase's tensors leave.
  private func enter(_ phase: PhasePlan, fixed: Int, isStep: Bool = false) {
    budget?.apply(phase, fixed: fixed, model.cache, pass.ledger)
    model.cache.begin(lead: isStep ? [] : phase.uses, ledger: pass.ledger)
  }

  /// Takes one denoising step; false when there was none left.
  package func advance(_ denoising: inout Denoising) throws -> Bool {
    guard denoising.step < denoising.steps else { return false }
    let prediction = try MemoryRefusal.check {
      try model.cache.step(ledger: pass.ledger) { try predict(denoising, pass) }
    }
    take(prediction, &denoising)
    return true
  }

  /// What the UNet says of the latents as they are: a row, or with guidance two.
  func predict(_ denoising: Denoising, _ pass: ForwardPass) throws -> Tensor {
    let step = denoising.firstCall + denoising.step
    var input = denoising.scheduler.scaled(denoising.latents, step: step)
    if let beside = denoising.start?.beside { input = pass.compute.concatenateChannels(input, beside) }
    let rows = denoising.guidance == nil ? input : Tensor.batch([input, input])
    return try model.unet(
      rows, timestep: denoising.scheduler.timesteps[step], text: denoising.text, pass)
  }

  /// Goes a step by what the UNet said.
  func take(_ prediction: Tensor, _ denoising: inout Denoising) {
    let (step, latents) = (denoising.firstCall + denoising.step, denoising.latents)
    let output: Tensor
    if let guidance = denoising.guidance {
      output = guidance.joined(unconditional: prediction.image(0), conditional: prediction.image(1))
    } else {
      output = prediction
    }
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
  }

  /// The picture of a render whose steps are done.
  /// - Throws: `DiffusionError.notFinite`, and what reading weights throws.
  package func decode(_ denoising: Denoising) throws -> RGBImage {
    let kept = denoising.plan.text.keptBytes
    enter(denoising.plan.decoding, fixed: footprint.bytes(beside: model.cache, known: kept) + kept)
    return try decode(denoising.latents, tile: denoising.plan.tile)
  }

  /// Latents `[1, height, width, channel]` to pixels, −1…1.
  func decoded(_ latents: Tensor, tile: Int?, _ pass: ForwardPass) throws -> Tensor {
    let undoing = model.family == .xl
    guard let tile else { return try model.decoder(latents, undoingNormalization: undoing, pass) }
    return try TiledDecoding(edge: tile).decode(latents, model.decoder, undoingNormalization: undoing, pass)
  }

  /// Latents `[1, height, width, channel]` to a picture.
  /// - Parameter tile: latents along the edge of a tile; nil: all at once.
  /// - Throws: `DiffusionError.notFinite`, and what reading weights throws.
  private func decode(_ latents: Tensor, tile: Int?) throws -> RGBImage {
    guard latents.isFinite else { throw DiffusionError.notFinite(stage: "denoiser") }
    let pixels = try MemoryRefusal.check { try decoded(latents, tile: tile, pass) }
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
  let guidance: Guidance?
  let text: TextContext
  var noise: TorchNoise
  /// `[1, height, width, channel]`.
  package internal(set) var latents: Tensor
  /// Steps done.
  package internal(set) var step = 0
  /// What the render takes.
  package let plan: RenderPlan
  /// Of a picture that it starts from; nil: it starts from noise.
  let start: StartingPoint?
  /// The scheduler's call that it begins with.
  let firstCall: Int

  init(
    scheduler: any Scheduler, guidance: Guidance?, text: TextContext, noise: TorchNoise, latents: Tensor,
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

  /// Whether no step is left.
  package var isDone: Bool { step == steps }
}

extension Tensor {
  /// Whether no element is infinite or not a number.
  var isFinite: Bool { withUnsafe { $0.allSatisfy(\.isFinite) } }
}
