import Checkpoints
import Tensors

/// Dynamic thresholding (Saharia et al., 2022; diffusers' `_threshold_sample`): a predicted image is clipped at a
/// high quantile of its own magnitudes and scaled back into ±1.
package struct DynamicThreshold: Sendable, Equatable {
  /// The quantile, 0…1.
  package var ratio: Float
  /// The highest value to clip at.
  package var limit: Float

  /// Reads the settings; nil if the file does not ask for thresholding.
  /// - Throws: `CheckpointError` from the file, `DiffusionError.unsupported` for a ratio outside 0…1.
  init?(_ config: ConfigObject) throws {
    ratio = try config.float("dynamic_thresholding_ratio", default: 0.995)
    limit = try config.float("sample_max_value", default: 1)
    guard try config.bool("thresholding", default: false) else { return nil }
    guard (0...1).contains(ratio) else {
      throw DiffusionError.unsupported(
        file: config.path, key: "dynamic_thresholding_ratio", value: "\(ratio)")
    }
    guard limit > 0 else {
      throw DiffusionError.unsupported(file: config.path, key: "sample_max_value", value: "\(limit)")
    }
  }

  /// The image within ±1. It must be a single image, since the quantile is over all elements.
  func callAsFunction(_ image: Tensor) -> Tensor {
    // torch's clamp applies the maximum last, so a limit below 1 wins over the smallest bound of 1.
    let bound = min(max(1, Self.quantile(image.values.map(abs), ratio)), limit)
    return Tensor(shape: image.shape) { result in
      image.withUnsafe { x in
        for index in x.indices { result[index] = max(-bound, min(bound, x[index])) / bound }
      }
    }
  }

  /// torch's `quantile`: linear between the two nearest ranks.
  private static func quantile(_ values: [Float], _ ratio: Float) -> Float {
    // A NaN has no rank. The check of the finished picture reports it.
    let sorted = values.filter { !$0.isNaN }.sorted()
    guard let last = sorted.last else { return 1 }
    let rank = ratio * Float(sorted.count - 1)
    let lower = Int(rank)
    guard lower + 1 < sorted.count else { return last }
    return sorted[lower] + (rank - Float(lower)) * (sorted[lower + 1] - sorted[lower])
  }
}
