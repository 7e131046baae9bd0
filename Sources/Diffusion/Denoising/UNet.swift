import Checkpoints
import Experts
import Layers
import Tensors

/// Text states and what every cross-attention layer made of them, for the whole of a render.
package struct TextContext: Sendable {
  /// In the order in which a forward pass comes by the layers.
  let projected: [ProjectedText]
}

/// The denoiser: predicts what was added to noisy latents (diffusers' `UNet2DConditionModel`).
package struct UNet: Sendable {
  package let configuration: UNetConfiguration
  private let timeEmbedding: EmbeddingNetwork
  private let enter: Convolution
  private let down: [UNetDownBlock]
  private let middle: UNetMiddleBlock?
  private let up: [UNetUpBlock]
  private let lastNorm: GroupNorm
  private let leave: Convolution

  /// - Parameters:
  ///   - model: what the expert cache files this model's experts under.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, `LayerError` for a configuration
  ///   that cannot be.
  package init(_ weights: Weights, _ configuration: UNetConfiguration, model: String, cache: ExpertCache)
    throws
  {
    self.configuration = configuration
    let first = configuration.down[0].width
    let blueprint = UNetBlueprint(
      configuration: configuration, timeWidth: 4 * first,
      mixture: configuration.mixture.map { Mixture(configuration: $0, model: model, cache: cache) })
    timeEmbedding = try EmbeddingNetwork(
      weights["time_embedding"], inputs: first, outputs: blueprint.timeWidth)
    enter = try Convolution(
      weights["conv_in"], inputs: configuration.inputChannels, outputs: first,
      shape: ConvolutionShape(kernel: 3))
    down = try configuration.down.indices.map {
      try UNetDownBlock(weights["down_blocks"][$0], index: $0, blueprint)
    }
    middle = try configuration.middleDepth.map {
      try UNetMiddleBlock(weights["mid_block"], depth: $0, blueprint)
    }
    up = try configuration.up.indices.map {
      try UNetUpBlock(weights["up_blocks"][$0], index: $0, blueprint)
    }
    lastNorm = try GroupNorm(
      weights["conv_norm_out"], channels: first, groups: configuration.groups,
      epsilon: configuration.epsilon, silu: true)
    leave = try Convolution(
      weights["conv_out"], inputs: first, outputs: configuration.outputChannels,
      shape: ConvolutionShape(kernel: 3))
  }

  /// Bytes of weights that stay in memory: all but the experts.
  package var residentBytes: Int {
    timeEmbedding.residentBytes + enter.byteCount + down.reduce(0) { $0 + $1.residentBytes }
      + (middle?.residentBytes ?? 0) + up.reduce(0) { $0 + $1.residentBytes } + lastNorm.byteCount
      + leave.byteCount
  }

  /// Projects text states `[batch, tokens, contextWidth]` for every cross-attention layer: these
  /// layers see nothing else, so they run once per render and not once per step.
  /// - Throws: what reading an expert throws.
  package func prepare(_ states: Tensor, _ pass: ForwardPass) throws -> TextContext {
    TextContext(projected: try transformers.flatMap { try $0.project(states, pass) })
  }

  /// Predicts the noise (or velocity, as the model was trained) in `latents`.
  /// - Parameters:
  ///   - latents: `[batch, height, width, in]`, scaled as the scheduler asks. The rows of one image:
  ///     unconditional first, conditional last.
  ///   - timestep: from the scheduler.
  /// - Returns: `[batch, height, width, out]`.
  /// - Throws: what reading an expert throws.
  package func callAsFunction(_ latents: Tensor, timestep: Float, text: TextContext, _ pass: ForwardPass)
    throws -> Tensor
  {
    let compute = pass.compute
    let time = timeRows(timestep, batch: latents.shape[0], compute)
    var texts = text.projected[...]
    func attend(_ transformer: SpatialTransformer?, _ x: Tensor) throws -> Tensor {
      guard let transformer else { return x }
      defer { texts = texts.dropFirst(transformer.depth) }
      return try transformer(x, texts: texts.prefix(transformer.depth), pass)
    }

    var x = enter(latents, compute)
    var skips = [x]
    for block in down {
      for stage in block.stages {
        x = try attend(stage.transformer, stage.residual(x, time: time, compute))
        skips.append(x)
      }
      if let downsample = block.downsample {
        x = downsample(x, compute)
        skips.append(x)
      }
    }
    if let middle {
      x = middle.first(x, time: time, compute)
      x = try attend(middle.transformer, x)
      x = middle.second(x, time: time, compute)
    }
    for block in up {
      for stage in block.stages {
        if let skip = skips.popLast() { x = compute.concatenateChannels(x, skip) }
        x = try attend(stage.transformer, stage.residual(x, time: time, compute))
      }
      if let upsample = block.upsample, let skip = skips.last {
        // To the skip's size, not twice: sizes that two does not divide come back right.
        x = upsample(compute.resizeNearest(x, height: skip.shape[1], width: skip.shape[2]), compute)
      }
    }
    return leave(lastNorm(x, compute), compute)
  }

  /// SiLU of the time embedding, a row per image of the batch. Every residual block starts from it.
  private func timeRows(_ timestep: Float, batch: Int, _ compute: Compute) -> Tensor {
    let sinusoid = configuration.timestep(timestep)
    let row = Tensor(shape: [1, sinusoid.count], values: sinusoid)
    let embedded = compute.activate(timeEmbedding(row, compute), .silu)
    return Tensor.batch(Array(repeating: embedded, count: batch))
  }

  /// All transformers in the order in which a forward pass comes by them.
  private var transformers: [SpatialTransformer] {
    down.flatMap { $0.stages.compactMap(\.transformer) } + (middle.map { [$0.transformer] } ?? [])
      + up.flatMap { $0.stages.compactMap(\.transformer) }
  }
}
