import Tensors

/// What a render that starts from a picture keeps of it (diffusers' img2img and inpainting pipelines).
struct StartingPoint: Sendable {
  /// The picture as latents, `[1, height, width, latent]`.
  let latents: Tensor
  /// The noise that was added.
  let noise: Tensor
  /// 1 where it is painted anew, at the latents' size, `[1, height, width, 1]`; nil: everywhere.
  let mask: Tensor?
  /// Without the parts to paint, as latents: what a UNet of nine channels is shown.
  let masked: Tensor?

  /// Puts back what is not painted, with as much noise as the next call expects; of the picture itself after
  /// the last.
  func blended(_ painted: Tensor, _ scheduler: any Scheduler, next call: Int?) -> Tensor {
    guard let mask, masked == nil else { return painted }
    let kept = call.map { scheduler.noised(latents, noise: noise, call: $0) } ?? latents
    let channels = painted.shape[3]
    return Tensor(shape: painted.shape) { result in
      painted.withUnsafe { painted in
        kept.withUnsafe { kept in
          mask.withUnsafe { mask in
            for index in result.indices {
              let share = mask[index / channels]
              result[index] = (1 - share) * kept[index] + share * painted[index]
            }
          }
        }
      }
    }
  }

  /// What the UNet is shown beside the latents, `[1, height, width, 1 + latent]`; nil if it takes nothing.
  var beside: Tensor? {
    guard let mask, let masked else { return nil }
    let channels = masked.shape[3]
    return Tensor(shape: Array(masked.shape.dropLast()) + [channels + 1]) { result in
      mask.withUnsafe { mask in
        masked.withUnsafe { masked in
          for place in 0..<mask.count {
            result[place * (channels + 1)] = mask[place]
            for channel in 0..<channels {
              result[place * (channels + 1) + 1 + channel] = masked[place * channels + channel]
            }
          }
        }
      }
    }
  }
}
