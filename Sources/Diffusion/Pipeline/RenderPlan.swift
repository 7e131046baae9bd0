import Tensors
import WeightCache

/// What a render takes, known before it begins.
package struct RenderPlan: Sendable {
  /// Encoding of the prompts, and what they project to.
  package let text: PhasePlan
  /// Of a picture to start from, its way to latents; nil without one.
  package let encoding: PhasePlan?
  /// One denoising step.
  package let step: PhasePlan
  /// Latents to pixels; in tiles if `tile` says so.
  package let decoding: PhasePlan
  /// Latents along the edge of a tile of the decoder; nil: it decodes all at once.
  package let tile: Int?

  /// What the governor is asked for.
  package var memory: MemoryPlan {
    MemoryPlan(smallest: smallest, largestPhase: largestPhase, largestBlock: largestBlock)
  }

  /// The most bytes of tensors at one time.
  private var largestPhase: Int {
    max(
      text.tensorBytes,
      text.keptBytes + max(step.tensorBytes, decoding.tensorBytes, encoding?.tensorBytes ?? 0))
  }

  /// Bytes of the largest tensor or part.
  private var largestBlock: Int {
    [text, step, decoding, encoding].compactMap { $0 }.map { max($0.largestTensor, $0.largestPart) }.max()
      ?? 0
  }

  /// Bytes of tensors and weights that no smaller budget could do without.
  package var smallest: Int {
    max(
      text.smallest,
      text.keptBytes + max(encoding?.smallest ?? 0, step.smallest, decoding.smallest))
  }
}

/// The first phase of a render, and the meta tensors that it leaves.
struct TextPlan {
  let context: TextContext
  let phase: PhasePlan
}

extension Renderer {
  /// What rendering a request takes.
  /// - Parameters:
  ///   - request: what is rendered.
  ///   - room: bytes for tensors and weights; a decode that would take more goes tile by tile.
  /// - Throws: `DiffusionError` for a request that the model cannot render.
  package func plan(_ request: PictureRequest, room: Int? = nil) throws -> RenderPlan {
    try plan(request, try textPlan(request), room: room)
  }

  /// What encoding the prompts of a request takes, and what it leaves for the steps.
  func textPlan(_ request: PictureRequest) throws -> TextPlan {
    try request.validate(multiple: model.decoder.pixelsPerLatent)
    let plan = PassPlan()
    let context = try prepare(request, isGuided: isGuided(request), ForwardPass(planning: plan))
    return TextPlan(context: context, phase: PhasePlan(plan, kept: plan.liveBytes))
  }

  /// The same as `plan` with the first phase known.
  func plan(_ request: PictureRequest, _ text: TextPlan, room: Int?) throws -> RenderPlan {
    let pixels = model.decoder.pixelsPerLatent
    let (height, width) = (request.height / pixels, request.width / pixels)
    let step = PassPlan()
    let shape = [isGuided(request) ? 2 : 1, height, width, model.unet.configuration.inputChannels]
    _ = try model.unet(
      Tensor(meta: shape), timestep: 1, text: text.context, ForwardPass(planning: step))
    let latents = [1, height, width, model.decoder.latentChannels]
    var (decoding, tile) = (try decodingPlan(latents, tile: nil), Int?.none)
    let room = room.map { $0 - text.phase.keptBytes }
    if let room, decoding.smallest > max(room, MemoryBudget.alwaysWhole), model.decoder.canTile {
      for edge in TiledDecoding.edges where edge < max(height, width) {
        (decoding, tile) = (try decodingPlan(latents, tile: edge), edge)
        if decoding.smallest <= room { break }
      }
    }
    return RenderPlan(
      text: text.phase, encoding: try encodingPlan(request), step: PhasePlan(step, kept: 0),
      decoding: decoding,
      tile: tile)
  }

  private func encodingPlan(_ request: PictureRequest) throws -> PhasePlan? {
    guard request.source != nil, let encoder = model.encoder else { return nil }
    let plan = PassPlan()
    _ = try encoder(
      Tensor(meta: [1, request.height, request.width, 3]), ForwardPass(planning: plan))
    // The picture itself, whole and without the parts to paint.
    let pictures = 2 * request.width * request.height * 3 * MemoryLayout<Float>.stride
    return PhasePlan(
      tensorBytes: plan.tensorBytes + pictures, largestTensor: max(plan.largestTensor, pictures),
      uses: plan.uses, keptBytes: 0)
  }

  private func decodingPlan(_ latents: [Int], tile: Int?) throws -> PhasePlan {
    let plan = PassPlan()
    let picture = try decoded(
      Tensor(meta: latents), tile: tile, ForwardPass(planning: plan))
    return withExtendedLifetime(picture) { PhasePlan(plan, kept: 0) }
  }
}
