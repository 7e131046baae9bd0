/// The noise levels that a model was trained on.
extension SchedulerConfiguration {
  /// ᾱ at each training timestep: the running product of 1 − beta.
  /// - Parameters:
  ///   - defaults: the defaults of the class, for what the file leaves out.
  ///   - zeroSNR: whether the class supports `rescale_betas_zero_snr`; others ignore it.
  /// - Throws: `DiffusionError.unsupported`.
  func alphaProducts(_ defaults: BetaSchedule.Defaults = .common, zeroSNR: Bool = true) throws -> [Float] {
    var values = try betas.values(defaults)
    if rescaleZeroSNR, zeroSNR { values = BetaSchedule.rescaledToZeroSNR(values) }
    return BetaSchedule.runningProducts(values)
  }

  /// Deviation of the noise at each training timestep if the image's is 1: √((1 − ᾱ) / ᾱ).
  /// - Parameters:
  ///   - defaults: the defaults of the class, for what the file leaves out.
  ///   - zeroSNR: whether the class supports `rescale_betas_zero_snr`; others ignore it.
  /// - Throws: `DiffusionError.unsupported`.
  func trainedSigmas(_ defaults: BetaSchedule.Defaults = .common, zeroSNR: Bool = true) throws -> [Float] {
    var products = try alphaProducts(defaults, zeroSNR: zeroSNR)
    // ᾱ = 0 would mean infinite noise. The reference uses 2⁻²⁴ instead.
    if rescaleZeroSNR, zeroSNR { products[products.count - 1] = 0x1p-24 }
    return products.map { ((1 - $0) / $0).squareRoot() }
  }
}
