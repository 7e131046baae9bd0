import Tensors
import WeightCache

/// What a render takes, known before it begins.
package struct RenderPlan: Sendable {
  /// Encoding the prompts, and projecting them for cross attention.
  package let text: PhasePlan
  /// Encoding the starting picture to latents; nil without one.
  package let encoding: PhasePlan?
  /// One denoising step.
  package let step: PhasePlan
  /// Decoding latents to pixels, whole or in tiles.
  package let decoding: PhasePlan
  /// Decoding a preview between two steps; nil if none is decoded. No render is refused for it.
  let preview: PreviewDecoder.Plan?
  /// Edge of a decoder's tile in latents; nil if the decode is whole.
  package let tile: Int?
  /// Work that the steps leave out.
  let savings: RenderSavings

  /// The part of the plan that `MemoryGovernor.admit` needs.
  package var memory: MemoryPlan {
    MemoryPlan(smallest: smallest, largestPhase: largestPhase, largestBlock: largestBlock)
  }

  /// Multiplications and additions of a decoded preview; nil if none is decoded.
  package var previewOperations: Int? { preview?.operations }

  /// The most bytes of tensors at one time.
  private var largestPhase: Int {
    max(
      text.tensorBytes,
      text.keptBytes + max(step.tensorBytes, decoding.tensorBytes, encoding?.tensorBytes ?? 0))
  }

  /// Bytes of the largest tensor or part.
  private var largestBlock: Int {
    [text, step, decoding, encoding, preview?.phase].compactMap { $0 }.map {
      max($0.largestTensor, $0.largestPart)
    }.max()
      ?? 0
  }

  /// Bytes of tensors and weights that the render needs at least.
  package var smallest: Int {
    max(
      text.smallest,
      text.keptBytes + max(encoding?.smallest ?? 0, step.smallest, decoding.smallest))
  }
}

/// The first phase of a render, and the meta tensors that it leaves.
struct TextPlan {
  let context: PreparedText
  let phase: PhasePlan
}

extension Renderer {
  /// Plans a render.
  /// - Parameters:
  ///   - request: what is rendered.
  ///   - room: bytes for tensors and weights. A decode that would take more is done in tiles.
  /// - Throws: `DiffusionError` for a request that the model cannot render.
  package func plan(_ request: PictureRequest, room: Int? = nil) throws -> RenderPlan {
    try plan(request, try textPlan(request), room: room)
  }

  /// Plans the encoding of a request's prompts.
  func textPlan(_ request: PictureRequest) throws -> TextPlan {
    try request.validate(multiple: model.decoder.pixelsPerLatent)
    let plan = PassPlan(on: pass.compute)
    let context = try prepare(request, isGuided: isGuided(request), ForwardPass(planning: plan))
    return TextPlan(context: context, phase: PhasePlan(plan, kept: plan.liveBytes))
  }

  /// Plans a render whose first phase is already planned.
  func plan(_ request: PictureRequest, _ text: TextPlan, room: Int?) throws -> RenderPlan {
    let pixels = model.decoder.pixelsPerLatent
    let (height, width) = (request.height / pixels, request.width / pixels)
    let (step, savings) = try stepPlan(request, text, height: height, width: width)
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
      text: text.phase, encoding: try encodingPlan(request), step: step, decoding: decoding,
      preview: try previews?.plan(height: height, width: width, on: pass.compute), tile: tile,
      savings: savings)
  }

  /// Plans a step for latents of a size, and what it leaves out.
  private func stepPlan(_ request: PictureRequest, _ text: TextPlan, height: Int, width: Int) throws -> (
    PhasePlan, RenderSavings
  ) {
    let unet = model.unet
    var savings = try RenderSavings(request, unet.configuration, positions: height * width)
    let rows = Tensor(meta: [isGuided(request) ? 2 : 1, height, width, unet.configuration.inputChannels])
    func call(_ call: inout CallSavings) throws -> PassPlan {
      let plan = PassPlan(on: pass.compute)
      _ = try unet(rows, timestep: 1, text: text.context.rows, saving: &call, ForwardPass(planning: plan))
      return plan
    }
    var first = savings.call(feature: nil)
    let whole = try call(&first)
    savings.wholeDraws = first.merger?.draws ?? 0
    guard let feature = first.feature else { return (PhasePlan(whole, kept: 0), savings) }
    var second = savings.call(feature: feature)
    let shallow = try call(&second)
    savings.shallowDraws = second.merger?.draws ?? 0
    // A whole call counts the map that it makes, the calls after it do not.
    let kept = MemoryMeter.blockSize(feature.byteCount)
    return (
      PhasePlan(
        tensorBytes: max(whole.tensorBytes, shallow.tensorBytes + kept),
        largestTensor: max(whole.largestTensor, shallow.largestTensor), uses: whole.uses, keptBytes: kept),
      savings
    )
  }

  private func encodingPlan(_ request: PictureRequest) throws -> PhasePlan? {
    guard request.source != nil, let encoder = model.encoder else { return nil }
    let plan = PassPlan(on: pass.compute)
    _ = try encoder(
      Tensor(meta: [1, request.height, request.width, 3]), ForwardPass(planning: plan))
    // The starting picture, and a copy without the parts that are painted anew.
    let pictures = 2 * request.width * request.height * 3 * MemoryLayout<Float>.stride
    return PhasePlan(
      tensorBytes: plan.tensorBytes + pictures, largestTensor: max(plan.largestTensor, pictures),
      uses: plan.uses, keptBytes: 0)
  }

  private func decodingPlan(_ latents: [Int], tile: Int?) throws -> PhasePlan {
    let plan = PassPlan(on: pass.compute)
    let picture = try decoded(
      Tensor(meta: latents), tile: tile, ForwardPass(planning: plan))
    return withExtendedLifetime(picture) { PhasePlan(plan, kept: 0) }
  }
}
