import Checkpoints
import Experts
import Layers
import Tensors
import WeightCache

/// One residual block and the transformer after it, if the level has attention.
struct UNetStage: Sendable {
  let residual: ResidualBlock
  let transformer: SpatialTransformer?

  var byteCounts: ByteCounts {
    ByteCounts(dense: residual.byteCount) + (transformer?.byteCounts ?? ByteCounts())
  }

  /// Projects text states for the transformer's cross-attention layers; nil without one.
  func project(_ states: Tensor, _ pass: ForwardPass) throws -> TransformerTexts? {
    try transformer?.project(states, pass)
  }
}

/// What building any block of a UNet needs.
struct UNetBlueprint: Sendable {
  let configuration: UNetConfiguration
  /// Channels of the time embedding: four times the first level's width.
  let timeWidth: Int
  /// Where the weights are kept.
  let home: PartHome

  /// The mixture of block `index` on the way down; nil if the block has none.
  func mixture(down index: Int) -> MixtureConfiguration? {
    configuration.mixture.flatMap { $0.downBlocks.contains(index) ? $0 : nil }
  }

  func mixture(up index: Int) -> MixtureConfiguration? {
    configuration.mixture.flatMap { $0.upBlocks.contains(index) ? $0 : nil }
  }

  func residual(_ weights: Weights, inputs: Int, outputs: Int) throws -> ResidualBlock {
    try ResidualBlock(
      weights, inputs: inputs, outputs: outputs, timeWidth: timeWidth, groups: configuration.groups,
      epsilon: configuration.epsilon, home: home)
  }

  /// The convolution of a down- or upsampler.
  func convolution(_ weights: Weights, width: Int, stride: Int) throws -> CachedPart<Convolution> {
    try CachedPart(weights, in: home) {
      try Convolution(
        $0, inputs: width, outputs: width, shape: ConvolutionShape(kernel: 3, stride: stride))
    }
  }

  func transformer(
    _ weights: Weights, width: Int, heads: Int, depth: Int, mixture: MixtureConfiguration?
  ) throws -> SpatialTransformer {
    try SpatialTransformer(
      weights, width: width, contextWidth: configuration.contextWidth, heads: heads, depth: depth,
      groups: configuration.groups, linearProjection: configuration.linearProjection,
      mixture: mixture, home: home)
  }
}

/// A level on the way down (diffusers' `DownBlock2D` and `CrossAttnDownBlock2D`).
struct UNetDownBlock: Sendable {
  let stages: [UNetStage]
  let downsample: CachedPart<Convolution>?

  init(_ weights: Weights, index: Int, _ blueprint: UNetBlueprint) throws {
    let levels = blueprint.configuration.down
    let level = levels[index]
    stages = try (0..<level.layers).map { layer in
      let inputs = layer > 0 ? level.width : levels[max(0, index - 1)].width
      return UNetStage(
        residual: try blueprint.residual(
          weights["resnets"][layer], inputs: inputs, outputs: level.width),
        transformer: try level.depth(after: layer).map {
          try blueprint.transformer(
            weights["attentions"][layer], width: level.width, heads: level.heads, depth: $0,
            mixture: blueprint.mixture(down: index))
        })
    }
    downsample =
      index == levels.count - 1
      ? nil
      : try blueprint.convolution(weights["downsamplers.0.conv"], width: level.width, stride: 2)
  }

  func project(_ states: Tensor, _ pass: ForwardPass) throws -> [TransformerTexts?] {
    try stages.map { try $0.project(states, pass) }
  }

  var byteCounts: ByteCounts {
    stages.reduce(ByteCounts(dense: downsample?.byteCount ?? 0)) { $0 + $1.byteCounts }
  }
}

/// A level on the way up (diffusers' `UpBlock2D` and `CrossAttnUpBlock2D`).
struct UNetUpBlock: Sendable {
  let stages: [UNetStage]
  let upsample: CachedPart<Convolution>?

  init(_ weights: Weights, index: Int, _ blueprint: UNetBlueprint) throws {
    let levels = blueprint.configuration.up
    let level = levels[index]
    // Skips are taken in reverse order. A level's last skip was its input on the way down, so it has the width of the
    // level above.
    let below = levels[max(0, index - 1)].width
    let above = levels[min(levels.count - 1, index + 1)].width
    stages = try (0..<level.layers).map { layer in
      let inputs = layer == 0 ? below : level.width
      let skip = layer == level.layers - 1 ? above : level.width
      return UNetStage(
        residual: try blueprint.residual(
          weights["resnets"][layer], inputs: inputs + skip, outputs: level.width),
        transformer: try level.depth(after: layer).map {
          try blueprint.transformer(
            weights["attentions"][layer], width: level.width, heads: level.heads, depth: $0,
            mixture: blueprint.mixture(up: index))
        })
    }
    upsample =
      index == levels.count - 1
      ? nil
      : try blueprint.convolution(weights["upsamplers.0.conv"], width: level.width, stride: 1)
  }

  func project(_ states: Tensor, _ pass: ForwardPass) throws -> [TransformerTexts?] {
    try stages.map { try $0.project(states, pass) }
  }

  var byteCounts: ByteCounts {
    stages.reduce(ByteCounts(dense: upsample?.byteCount ?? 0)) { $0 + $1.byteCounts }
  }
}

/// The middle block (diffusers' `UNetMidBlock2DCrossAttn`, or `UNetMidBlock2D` with a single residual block). Its
/// transformer is never a mixture.
struct UNetMidBlock: Sendable {
  let first: ResidualBlock
  /// nil if there is nothing after the first residual block.
  let rest: Rest?

  /// What follows the first residual block.
  struct Rest: Sendable {
    let transformer: SpatialTransformer
    let second: ResidualBlock
  }

  /// - Returns: nil for a UNet that has no middle.
  init?(_ weights: Weights, _ blueprint: UNetBlueprint) throws {
    let level = blueprint.configuration.up[0]
    func residual(_ index: Int) throws -> ResidualBlock {
      try blueprint.residual(weights["resnets"][index], inputs: level.width, outputs: level.width)
    }
    guard blueprint.configuration.middle != .none else { return nil }
    first = try residual(0)
    switch blueprint.configuration.middle {
    case .none, .residual: rest = nil
    case .attention(let depth):
      rest = Rest(
        transformer: try blueprint.transformer(
          weights["attentions"][0], width: level.width, heads: level.heads, depth: depth, mixture: nil),
        second: try residual(1))
    }
  }

  func project(_ states: Tensor, _ pass: ForwardPass) throws -> TransformerTexts? {
    try rest?.transformer.project(states, pass)
  }

  var byteCounts: ByteCounts {
    ByteCounts(dense: first.byteCount + (rest?.second.byteCount ?? 0))
      + (rest?.transformer.byteCounts ?? ByteCounts())
  }
}
