/// The noise that a model was trained on, timestep by timestep.
extension SchedulerConfiguration {
  /// ᾱ: the running product of 1 − beta, with the betas that a class makes of the file.
  /// - Parameter zeroSNR: whether the class knows `rescale_betas_zero_snr`; the others ignore it.
  /// - Throws: `DiffusionError.unsupported`.
  func alphaProducts(_ defaults: BetaSchedule.Defaults = .common, zeroSNR: Bool = true) throws -> [Float] {
    var values = try betas.values(defaults)
    if rescaleZeroSNR, zeroSNR { values = BetaSchedule.rescaledToZeroSNR(values) }
    var product: Float = 1
    return values.map {
      product *= 1 - $0
      return product
    }
  }

  /// The deviation of the noise at each training timestep, √((1 − ᾱ) / ᾱ), the image having 1.
  /// - Parameter zeroSNR: whether the class knows `rescale_betas_zero_snr`.
  /// - Throws: `DiffusionError.unsupported`.
  func trainedSigmas(_ defaults: BetaSchedule.Defaults = .common, zeroSNR: Bool = true) throws -> [Float] {
    var products = try alphaProducts(defaults, zeroSNR: zeroSNR)
    // Zero signal would be infinite noise; the reference stops at 2⁻²⁴.
    if rescaleZeroSNR, zeroSNR { products[products.count - 1] = 0x1p-24 }
    return products.map { ((1 - $0) / $0).squareRoot() }
  }
}
