/// Why a layer cannot be built from its configuration.
package enum LayerError: Error, Equatable, CustomStringConvertible {
  /// A group normalization over groups of unequal size.
  case groupsDoNotDivide(layer: String, channels: Int, groups: Int)
  /// Attention heads of unequal width.
  case headsDoNotDivide(layer: String, channels: Int, heads: Int)

  package var description: String {
    switch self {
    case .groupsDoNotDivide(let layer, let channels, let groups):
      "\(layer): \(channels) channels cannot be split into \(groups) groups; check norm_num_groups in its config.json"
    case .headsDoNotDivide(let layer, let channels, let heads):
      "\(layer): \(channels) channels cannot be split into \(heads) heads; check the head count in its config.json"
    }
  }
}
