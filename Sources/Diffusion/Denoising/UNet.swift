import Checkpoints
import Layers
import Tensors
import WeightCache

/// Keys and values of a UNet's cross-attention layers. Each block has one entry per stage; it is nil for a stage
/// without a transformer.
struct UNetTexts: Sendable {
  let down: [[TransformerTexts?]]
  let mid: TransformerTexts?
  let up: [[TransformerTexts?]]
}

/// The UNet's inputs that stay the same in all steps of a render.
package struct TextContext: Sendable {
  /// Keys and values of every cross-attention layer.
  let projected: UNetTexts
  /// SDXL's embedding of pooled text and sizes, added to the time embedding: `[batch, 4·first width]`.
  let added: Tensor?
  /// A consistency model's embedding of the guidance scale, added to the embedded timestep: `[1, first width]`.
  let guidance: Tensor?
}

/// SDXL's conditions besides the text states.
package struct AddedConditions: Sendable {
  /// The second text encoder's pooled state of each prompt, `[batch, width]`.
  let pooled: Tensor
  /// Original height and width, top and left of the crop, target height and width; pixels.
  let sizes: [Float]

  package init(pooled: Tensor, sizes: [Float]) {
    self.pooled = pooled
    self.sizes = sizes
  }
}

/// The denoiser: predicts the noise in noisy latents (diffusers' `UNet2DConditionModel`).
package struct UNet: Sendable {
  package let configuration: UNetConfiguration
  private let timeEmbedding: EmbeddingNetwork
  private let guidanceProjection: Linear?
  private let addedEmbedding: EmbeddingNetwork?
  private let convIn: Convolution
  private let downBlocks: [UNetDownBlock]
  private let midBlock: UNetMidBlock?
  private let upBlocks: [UNetUpBlock]
  private let convNormOut: GroupNorm
  private let convOut: Convolution

  /// Builds the network. The time embedding and the first and last convolution always compute in single precision:
  /// they are cheap, and errors there show (docs/precision.md).
  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - configuration: the shape of the network.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, `LayerError` for a configuration
  ///   that cannot be.
  package init(_ weights: Weights, _ configuration: UNetConfiguration, home: PartHome) throws {
    self.configuration = configuration
    let first = configuration.down[0].width
    let blueprint = UNetBlueprint(
      configuration: configuration, timeWidth: 4 * first, home: home)
    convIn = try Convolution(
      weights["conv_in"].layers(in: .f32), inputs: configuration.inputChannels, outputs: first,
      shape: ConvolutionShape(kernel: 3))
    timeEmbedding = try EmbeddingNetwork(
      weights["time_embedding"].layers(in: .f32), inputs: first, outputs: blueprint.timeWidth)
    guidanceProjection = try configuration.guidanceWidth.map {
      try Linear(
        weights["time_embedding.cond_proj"].layers(in: .f32), inputs: $0, outputs: first, bias: false)
    }
    addedEmbedding = try configuration.added.map {
      try EmbeddingNetwork(
        weights["add_embedding"].layers(in: .f32), inputs: $0.inputs, outputs: blueprint.timeWidth)
    }
    downBlocks = try configuration.down.indices.map {
      try UNetDownBlock(weights["down_blocks"][$0], index: $0, blueprint)
    }
    midBlock = try UNetMidBlock(weights["mid_block"], blueprint)
    upBlocks = try configuration.up.indices.map {
      try UNetUpBlock(weights["up_blocks"][$0], index: $0, blueprint)
    }
    convNormOut = try GroupNorm(
      weights["conv_norm_out"], channels: first, groups: configuration.groups,
      epsilon: configuration.epsilon, silu: true)
    convOut = try Convolution(
      weights["conv_out"].layers(in: .f32), inputs: first, outputs: configuration.outputChannels,
      shape: ConvolutionShape(kernel: 3))
  }

  /// Bytes of all weights, experts counted separately.
  package var byteCounts: ByteCounts {
    let ends =
      timeEmbedding.byteCount + (guidanceProjection?.byteCount ?? 0) + (addedEmbedding?.byteCount ?? 0)
      + convIn.byteCount + convNormOut.byteCount + convOut.byteCount
    return
      (downBlocks.map(\.byteCounts) + [midBlock?.byteCounts ?? ByteCounts()] + upBlocks.map(\.byteCounts))
      .reduce(ByteCounts(dense: ends), +)
  }

  /// Computes what all steps of a render share: keys and values of every cross-attention layer, which depend on the
  /// text only, and what SDXL and consistency models add to the time embedding.
  /// - Parameters:
  ///   - states: `[batch, tokens, contextWidth]`.
  ///   - added: required by models with `addition_embed_type`; others ignore it.
  ///   - guidanceScale: used by models with `time_cond_proj_dim`; others ignore it.
  ///   - pass: where it is computed, and the cache of its weights.
  /// - Throws: what reading an expert throws; `DiffusionError.setting` if `added` is missing or of the
  ///   wrong width.
  package func prepare(
    _ states: Tensor, added: AddedConditions? = nil, guidanceScale: Float = 1, _ pass: ForwardPass
  ) throws -> TextContext {
    TextContext(
      projected: UNetTexts(
        down: try downBlocks.map { try $0.project(states, pass) }, mid: try midBlock?.project(states, pass),
        up: try upBlocks.map { try $0.project(states, pass) }),
      added: try embed(added, batch: states.shape[0], pass.compute),
      guidance: guidanceProjection.map { projection in
        let values = GuidanceEmbedding(width: projection.inputs)(guidanceScale - 1)
        return projection(Tensor(shape: [1, values.count], values: values), pass.compute)
      })
  }

  private func embed(_ added: AddedConditions?, batch: Int, _ compute: Compute) throws -> Tensor? {
    guard let network = addedEmbedding, let shape = configuration.added else { return nil }
    let sizes = (added?.sizes ?? []).flatMap { shape.size($0) }
    guard let pooled = added?.pooled, pooled.shape == [batch, shape.inputs - sizes.count] else {
      throw DiffusionError.setting(
        name: "pooled text and sizes", value: "\(added?.pooled.shape ?? []) and \(added?.sizes.count ?? 0)",
        allowed: "[\(batch), \(shape.pooledWidth)] and 6")
    }
    if pooled.isMeta { return network(compute.zeros(shape: [batch, shape.inputs]), compute) }
    let rows = (0..<batch).map { Tensor(shape: [1, shape.inputs], values: pooled.image($0).values + sizes) }
    return network(Tensor.batch(rows), compute)
  }

  /// Predicts the noise (or velocity, as the model was trained) in `latents`.
  /// - Parameters:
  ///   - latents: `[batch, height, width, in]`, scaled by the scheduler. The batch holds one image: unconditional
  ///     first, conditional last.
  ///   - timestep: from the scheduler.
  ///   - text: the result of `prepare`.
  ///   - pass: where it is computed, and the cache of its weights.
  /// - Returns: `[batch, height, width, out]`.
  /// - Throws: what reading an expert throws.
  package func callAsFunction(_ latents: Tensor, timestep: Float, text: TextContext, _ pass: ForwardPass)
    throws -> Tensor
  {
    var nothing = CallSavings()
    return try self(latents, timestep: timestep, text: text, saving: &nothing, pass)
  }

  /// The same, leaving work out.
  /// - Parameters:
  ///   - latents: as above.
  ///   - timestep: as above.
  ///   - text: as above.
  ///   - savings: what is left out. It gets what the next call may use again.
  ///   - pass: as above.
  /// - Returns: `[batch, height, width, out]`.
  /// - Throws: what reading an expert throws.
  package func callAsFunction(
    _ latents: Tensor, timestep: Float, text: TextContext, saving savings: inout CallSavings,
    _ pass: ForwardPass
  ) throws -> Tensor {
    let compute = pass.compute
    let time = timeRows(timestep, text, batch: latents.shape[0], compute)
    var merger = savings.merger
    defer { savings.merger = merger }
    func apply(_ block: ResidualBlock, _ x: Tensor) throws -> Tensor {
      try block(x, time: time, pass)
    }
    func apply(_ stage: UNetStage, _ text: TransformerTexts?, _ x: Tensor) throws -> Tensor {
      let hidden = try apply(stage.residual, x)
      guard let transformer = stage.transformer, let text else { return hidden }
      return try transformer(hidden, texts: text, merger: &merger, pass)
    }

    var x = convIn(latents, compute)
    var skips = [x]
    down: for (level, (block, texts)) in zip(downBlocks, text.projected.down).enumerated() {
      for (layer, (stage, text)) in zip(block.stages, texts).enumerated() {
        guard savings.runsDown(level: level, layer: layer) else { break down }
        x = try apply(stage, text, x)
        skips.append(x)
      }
      guard savings.goesBelow(level: level) else { break }
      if let downsample = block.downsample {
        x = try downsample(pass) { $0(x, compute) }
        skips.append(x)
      }
    }
    if let midBlock, !savings.isShallow {
      x = try apply(midBlock.first, x)
      if let rest = midBlock.rest, let texts = text.projected.mid {
        x = try apply(rest.second, rest.transformer(x, texts: texts, merger: &merger, pass))
      }
    }
    var isDeep = savings.cut != nil
    for (index, (block, texts)) in zip(upBlocks, text.projected.up).enumerated() {
      let level = upBlocks.count - 1 - index
      for (layer, (stage, text)) in zip(block.stages, texts).enumerated() {
        if isDeep {
          isDeep = !savings.isAfterCut(level: level, layer: block.stages.count - 1 - layer)
          if !isDeep { savings.exchange(&x) }
        }
        if isDeep, savings.isShallow { continue }
        if let skip = skips.popLast() { x = compute.concatenateChannels(x, skip) }
        x = try apply(stage, text, x)
      }
      if let upsample = block.upsample, let skip = skips.last, !(isDeep && savings.isShallow) {
        // Enlarged to the skip's size rather than doubled, because an odd size was rounded on the way down.
        x = try upsample(pass) { $0(x, enlargedTo: (skip.shape[1], skip.shape[2]), compute) }
      }
    }
    return convOut(x, after: convNormOut, compute)
  }

  /// SiLU of the time embedding, one row per image of the batch; an input of every residual block.
  private func timeRows(_ timestep: Float, _ text: TextContext, batch: Int, _ compute: Compute) -> Tensor {
    let sinusoid = configuration.timestep(timestep)
    var row = Tensor(shape: [1, sinusoid.count], values: sinusoid)
    if let guidance = text.guidance { compute.accumulate(guidance, into: &row) }
    var rows = Tensor.batch(Array(repeating: timeEmbedding(row, compute), count: batch))
    if let added = text.added { compute.accumulate(added, into: &rows) }
    return compute.activate(rows, .silu)
  }
}
