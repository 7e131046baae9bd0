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

  /// Multiplications and additions of a decoded preview; nil if none is decoded.
  package var previewOperations: Int? { preview?.operations }

  /// The most bytes of tensors at one time.
  fileprivate var largestPhase: Int {
    max(
      text.tensorBytes,
      text.keptBytes + max(step.tensorBytes, decoding.tensorBytes, encoding?.tensorBytes ?? 0))
  }

  /// Bytes of the largest tensor or part.
  fileprivate var largestBlock: Int {
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
  /// - Parameter request: what is rendered.
  /// - Throws: `DiffusionError` for a request that the model cannot render.
  package func plan(_ request: PictureRequest) throws -> RenderPlan { try plan(request, textPlan(request)) }

  /// Plans the encoding of a request's prompts.
  func textPlan(_ request: PictureRequest) throws -> TextPlan {
    try request.validate(multiple: model.decoder.pixelsPerLatent)
    let plan = PassPlan(on: pass.compute)
    let context = try prepare(request, isGuided: isGuided(request), ForwardPass(planning: plan))
    return TextPlan(context: context, phase: PhasePlan(plan, kept: plan.liveBytes))
  }

  /// Plans a render whose first phase is already planned.
  func plan(_ request: PictureRequest, _ text: TextPlan) throws -> RenderPlan {
    try plan(request, text, room: governor.roomToDecode(asked: request.memoryBudget?.bytes))
  }

  /// What `MemoryGovernor.admit` needs of a plan. If there is no room for it, the budget that a refusal names must do for
  /// the tiles of that budget.
  func memory(
    _ plan: RenderPlan, _ request: PictureRequest, _ text: TextPlan, _ standing: MemoryStanding
  ) throws -> MemoryPlan {
    var enough = plan.smallest
    while standing.budget?.source == .given, standing.lacks(enough) {
      let room = MemoryGovernor.roomToDecode(budget: standing.budget(for: enough))
      let larger = try self.plan(request, text, room: room).smallest
      guard larger > enough else { break }
      enough = larger
    }
    return MemoryPlan(
      smallest: plan.smallest, enough: enough, largestPhase: plan.largestPhase,
      largestBlock: plan.largestBlock)
  }

  /// - Parameter room: bytes for the decode's tensors and weights, for prompts and for LoRAs. A decode for which they are not
  ///   enough is done in tiles.
  private func plan(_ request: PictureRequest, _ text: TextPlan, room: Int?) throws -> RenderPlan {
    let pixels = model.decoder.pixelsPerLatent
    let (height, width) = (request.height / pixels, request.width / pixels)
    let (step, savings) = try stepPlan(request, text, height: height, width: width)
    let latents = [1, height, width, model.decoder.latentChannels]
    let tile = try room.flatMap {
      try self.tile(for: latents, room: $0 - text.phase.keptBytes - model.loraBytes)
    }
    return RenderPlan(
      text: text.phase, encoding: try encodingPlan(request), step: step,
      decoding: try decodingPlan(latents, tile: tile, PassPlan(on: pass.compute)),
      preview: try previews?.plan(height: height, width: width, on: pass.compute), tile: tile,
      savings: savings)
  }

  /// The edge of a decoder's tile; nil if the decode is whole. It changes the picture, so it follows from the request, the
  /// room and the model alone: one thread stands for any number.
  private func tile(for latents: [Int], room: Int) throws -> Int? {
    func smallest(_ tile: Int?) throws -> Int {
      try decodingPlan(latents, tile: tile, PassPlan(taskThreads: 1)).smallest
    }
    guard model.decoder.canTile, try smallest(nil) > max(room, MemoryBudget.alwaysWhole) else { return nil }
    let edges = TiledDecoding.edges.filter { $0 < max(latents[1], latents[2]) }
    return try edges.first { try smallest($0) <= room } ?? edges.last
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

  private func decodingPlan(_ latents: [Int], tile: Int?, _ plan: PassPlan) throws -> PhasePlan {
    let picture = try decoded(
      Tensor(meta: latents), tile: tile, ForwardPass(planning: plan))
    return withExtendedLifetime(picture) { PhasePlan(plan, kept: 0) }
  }
}
