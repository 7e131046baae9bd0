import Requests
import Tensors

/// Joins what the UNet says with and without the prompt (classifier-free guidance; Ho and Salimans, 2022).
package struct Guidance: Sendable {
  /// 1: the prompt's own row.
  let scale: Float
  /// 0 to 1: how far the result gets back the spread of the prompt's own row (diffusers' `rescale_noise_cfg`; Lin et
  /// al., 2023, section 3.4).
  let rescale: Float
  /// Shares of the steps: where guidance begins and ends.
  private let from: Double
  private let until: Double

  /// What a request asks for.
  package init(_ request: RenderRequest) {
    scale = Float(request.guidance)
    rescale = Float(request.guidanceRescale)
    from = request.guidanceFrom
    until = request.guidanceUntil
  }

  /// Whether a step is guided (Kynkäänniemi et al., 2024, by steps rather than noise levels). The end is that of
  /// diffusers' `SDCFGCutoffCallback`, which lets the step at the share itself be guided.
  /// - Parameters:
  ///   - step: from 0.
  ///   - steps: in all.
  package func isUsed(at step: Int, of steps: Int) -> Bool {
    (Int(Double(steps) * from)...max(Int(Double(steps) * from), Int(Double(steps) * until))).contains(step)
  }

  /// Whether some steps may go without it.
  var isPartial: Bool { from > 0 || until < 1 }

  /// Both rows, of one shape, as one.
  package func joined(unconditional: Tensor, conditional: Tensor) -> Tensor {
    // unconditional + scale · (conditional − unconditional)
    let guided = combine(1 - scale, unconditional, scale, conditional)
    guard rescale > 0 else { return guided }
    let spread = guided.standardDeviation
    // diffusers divides by zero here. What has no spread needs none taken away.
    guard spread > 0 else { return guided }
    let factor = Float(conditional.standardDeviation / spread)
    return combine(rescale * factor + 1 - rescale, guided, 0, guided)
  }
}

extension Tensor {
  /// Of all elements about their mean, in double; 0 for fewer than two.
  var standardDeviation: Double {
    withUnsafe { values in
      guard values.count > 1 else { return 0 }
      let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
      let squares = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
      return (squares / Double(values.count - 1)).squareRoot()
    }
  }
}
