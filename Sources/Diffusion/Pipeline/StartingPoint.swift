import Tensors

/// What the steps of a render need of its starting picture (diffusers' img2img and inpainting pipelines).
struct StartingPoint: Sendable {
  /// The picture as latents, `[1, height, width, latent]`.
  let latents: Tensor
  /// The noise that was added.
  let noise: Tensor
  /// The mask at the latents' size, `[1, height, width, 1]`: 1 where the picture is painted anew. nil means
  /// everywhere.
  let mask: Tensor?
  /// Latents of the picture without the masked parts, an input of a UNet with nine channels; nil for other UNets.
  let masked: Tensor?

  /// Restores the parts that are not painted anew, with as much noise as the next call expects. After the last call
  /// that is none.
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

  /// The UNet's inputs besides the latents, `[1, height, width, 1 + latent]`; nil if it has none.
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
