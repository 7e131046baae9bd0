import Checkpoints
import Experts
import Layers
import Tensors

/// One residual block and the transformer after it, if the level has attention.
struct UNetStage: Sendable {
  let residual: ResidualBlock
  let transformer: SpatialTransformer?

  var residentBytes: Int { residual.residentBytes + (transformer?.residentBytes ?? 0) }
}

/// What is common to all blocks of one UNet, for building them.
struct UNetBlueprint: Sendable {
  let configuration: UNetConfiguration
  /// Channels of the time embedding: four times the first level's width.
  let timeWidth: Int
  let mixture: Mixture?

  /// The mixture, if block `index` of that side holds mixtures.
  func mixture(down index: Int) -> Mixture? {
    mixture.flatMap { $0.configuration.downBlocks.contains(index) ? $0 : nil }
  }

  func mixture(up index: Int) -> Mixture? {
    mixture.flatMap { $0.configuration.upBlocks.contains(index) ? $0 : nil }
  }

  func residual(_ weights: Weights, inputs: Int, outputs: Int) throws -> ResidualBlock {
    try ResidualBlock(
      weights, inputs: inputs, outputs: outputs, timeWidth: timeWidth, groups: configuration.groups,
      epsilon: configuration.epsilon)
  }

  func transformer(_ weights: Weights, width: Int, heads: Int, depth: Int, mixture: Mixture?) throws
    -> SpatialTransformer
  {
    try SpatialTransformer(
      weights, width: width, contextWidth: configuration.contextWidth, heads: heads, depth: depth,
      groups: configuration.groups, linearProjection: configuration.linearProjection,
      mixture: mixture)
  }
}

/// A level on the way down (diffusers' `DownBlock2D` and `CrossAttnDownBlock2D`).
struct UNetDownBlock: Sendable {
  let stages: [UNetStage]
  let downsample: Convolution?

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
      : try Convolution(
        weights["downsamplers.0.conv"], inputs: level.width, outputs: level.width,
        shape: ConvolutionShape(kernel: 3, stride: 2))
  }

  var residentBytes: Int {
    stages.reduce(0) { $0 + $1.residentBytes } + (downsample?.byteCount ?? 0)
  }
}

/// A level on the way up (diffusers' `UpBlock2D` and `CrossAttnUpBlock2D`).
struct UNetUpBlock: Sendable {
  let stages: [UNetStage]
  let upsample: Convolution?

  init(_ weights: Weights, index: Int, _ blueprint: UNetBlueprint) throws {
    let levels = blueprint.configuration.up
    let level = levels[index]
    // The skips come from the way down in reverse; the last of a level was made by its downsampler's
    // successor, one level wider apart.
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
      : try Convolution(
        weights["upsamplers.0.conv"], inputs: level.width, outputs: level.width,
        shape: ConvolutionShape(kernel: 3))
  }

  var residentBytes: Int {
    stages.reduce(0) { $0 + $1.residentBytes } + (upsample?.byteCount ?? 0)
  }
}

/// The lowest level (diffusers' `UNetMidBlock2DCrossAttn`, or `UNetMidBlock2D` with one residual block
/// and nothing else). Its transformer is never a mixture.
struct UNetMiddleBlock: Sendable {
  let first: ResidualBlock
  /// nil: the first residual block is all.
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
    switch blueprint.configuration.middle {
    case .none: return nil
    case .residual: rest = nil
    case .attention(let depth):
      rest = Rest(
        transformer: try blueprint.transformer(
          weights["attentions"][0], width: level.width, heads: level.heads, depth: depth, mixture: nil),
        second: try residual(1))
    }
    first = try residual(0)
  }

  var residentBytes: Int {
    first.residentBytes + (rest.map { $0.transformer.residentBytes + $0.second.residentBytes } ?? 0)
  }
}
