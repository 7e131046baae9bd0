import Requests

/// Where the UNet is cut in two (DeepCache; Ma et al., 2024). The outer part runs in every call. Of the deep part, which
/// runs in some calls only, the feature map that it gives to the outer part is used again.
///
/// The package numbers levels from the largest map on, and layers from the outside: on the way down as they come, on the
/// way up in reverse. It counts three layers a level, whatever the model has.
package struct FeatureCut: Sendable, Equatable {
  /// The level that is cut. Those below it are deep as a whole.
  let level: Int
  /// Layers of that level from this one on are deep; on the way up those after it.
  let layer: Int

  /// - Throws: `RequestError.invalid` for a branch that the model does not have.
  package init(_ setting: DeepCache, in configuration: UNetConfiguration) throws {
    let levels = configuration.down.count
    guard setting.branch < 3 * levels else {
      throw RequestError.invalid(
        setting: "deep_cache", value: setting.text,
        rule: "use a branch of 0 to \(3 * levels - 1): this model's UNet has \(levels) levels")
    }
    (level, layer) = (setting.branch / 3, setting.branch % 3)
  }

  /// Whether a layer on the way down is outer. The package's `is_skip_step` says the opposite.
  func keepsDown(level: Int, layer: Int) -> Bool { (level, layer) < (self.level, self.layer) }

  /// Whether a layer on the way up is outer.
  /// - Parameters:
  ///   - level: 0 has the largest map.
  ///   - layer: counted from the level's last one.
  func keepsUp(level: Int, layer: Int) -> Bool { (level, layer) <= (self.level, self.layer) }
}
