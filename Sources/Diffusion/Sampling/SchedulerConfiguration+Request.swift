import Requests

extension SchedulerConfiguration {
  /// Takes over what a request asks of its method: the spacing of noise levels, listed steps, eta. It goes before what
  /// the file says, as in diffusers' `from_config(config, use_karras_sigmas=True)` and `set_timesteps(timesteps=…)`.
  /// - Parameters:
  ///   - request: checked against the method.
  ///   - isXL: whether the model is SDXL, for the published lists.
  package mutating func follow(_ request: RenderRequest, isXL: Bool) {
    eta = request.eta ?? 0
    listedTimesteps = request.timesteps?.numbers
    listedSigmas = request.sigmaList?.numbers
    // A file's own shape gives way to any other.
    if request.asksForSchedule { sigmas.shapes = [] }
    switch request.sigmas {
    case .karras:
      sigmas.shapes = [.karras]
      sigmas.edmShape = .karras
    case .exponential:
      sigmas.shapes = [.exponential]
      sigmas.edmShape = .exponential
    case .beta: sigmas.shapes = [.beta]
    case .uniform: spacing = .linspace
    case .sgmUniform: spacing = .trailing
    case .ays: listedTimesteps = isXL ? AlignYourSteps.stableDiffusionXL : AlignYourSteps.stableDiffusion
    case nil: break
    }
  }
}
