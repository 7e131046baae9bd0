import Tensors

/// What one call of the UNet leaves out, and what it gives to the next.
package struct CallSavings: Sendable {
  /// Where the UNet is cut; nil: it runs as a whole.
  package let cut: FeatureCut?
  /// The feature map between the deep part and the outer one. If it is given, the deep part does not run; else the call
  /// puts here what the deep part gives.
  package private(set) var feature: Tensor?
  /// Merges tokens before self attention; nil: none are merged.
  package internal(set) var merger: TokenMerger?

  /// Nothing is left out unless it is said here.
  package init(cut: FeatureCut? = nil, feature: Tensor? = nil, merger: TokenMerger? = nil) {
    self.cut = cut
    self.feature = feature
    self.merger = merger
    isShallow = cut != nil && feature != nil
  }

  /// Whether the deep part is left out.
  let isShallow: Bool

  /// Whether a layer on the way down runs.
  func runsDown(level: Int, layer: Int) -> Bool {
    !isShallow || cut.map { $0.keepsDown(level: level, layer: layer) } ?? true
  }

  /// Whether a level is made smaller after its layers.
  func goesBelow(level: Int) -> Bool { !isShallow || cut.map { level < $0.level } ?? true }

  /// Whether a layer on the way up comes after the cut.
  func isAfterCut(level: Int, layer: Int) -> Bool {
    cut.map { $0.keepsUp(level: level, layer: layer) } ?? true
  }

  /// At the cut, on the way up: keeps what the deep part gave, or gives what was kept.
  mutating func exchange(_ x: inout Tensor) {
    if let feature { x = feature } else { feature = x }
  }
}
