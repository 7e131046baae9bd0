import Foundation
import Requests
import Tensors

extension Renderer {
  /// Checks that a model for inpainting gets a picture and a mask, and that a model which gets a picture has an
  /// encoder.
  /// - Throws: `DiffusionError`
  func checkSource(_ request: PictureRequest) throws {
    if model.isInpainting, request.source?.mask == nil {
      throw RequestError.invalid(
        setting: "mask", value: "none",
        rule: "use a picture and a mask with this model, whose UNet is for inpainting")
    }
    guard request.source != nil else { return }
    if model.encoder == nil {
      throw DiffusionError.mismatch(
        folder: model.path, what: "its VAE has no encoder, which a picture to start from needs; use --vae")
    }
  }

  /// The picture as latents, and its noise. They are drawn in the reference's order (`prepare_latents` and
  /// `prepare_mask_latents` of diffusers' img2img and inpainting pipelines).
  func startingPoint(from source: SourcePicture, _ request: PictureRequest, noise: inout TorchNoise) throws
    -> StartingPoint
  {
    let size = model.decoder.pixelsPerLatent
    let pixels = try source.pixels(width: request.width, height: request.height)
    let painted = try source.painted(width: request.width, height: request.height)
    // An inpainting model that starts from pure noise never uses the whole picture.
    let isLookedAt = !(model.isInpainting && request.strength == 1)
    var latents = isLookedAt ? try encode(pixels, isInpainting: painted != nil, noise: &noise) : nil
    let fresh = firstNoise(request, &noise)
    var masked: Tensor?
    if let painted {
      // Drawn even if the UNet does not get it, to stay in step with the reference's noise stream.
      let encoded = try encode(Self.without(painted, pixels), isInpainting: true, noise: &noise)
      if model.isInpainting { masked = encoded }
      if latents == nil { latents = encoded }
    }
    return StartingPoint(
      latents: latents ?? fresh, noise: fresh, mask: painted.map { Self.thinned($0, by: size) },
      masked: masked)
  }

  /// Encodes pixels to latents at the UNet's scale. If the encoder gives a distribution, they are drawn from it.
  private func encode(_ pixels: Tensor, isInpainting: Bool, noise: inout TorchNoise) throws -> Tensor {
    guard let encoder = model.encoder else { return pixels }
    let moments = try encoder(pixels, pass)
    let (height, width, channels) = (moments.shape[1], moments.shape[2], encoder.latentChannels)
    let perPlace = moments.shape[3]
    let isDrawn = perPlace == 2 * channels
    let draw = isDrawn ? noise.latents(channels: channels, height: height, width: width) : moments
    let normalization = model.family == .xl && !isInpainting ? encoder.normalization : nil
    return Tensor(shape: [1, height, width, channels]) { result in
      moments.withUnsafe { moments in
        draw.withUnsafe { draw in
          for index in result.indices {
            let (place, channel) = (index / channels, index % channels)
            var value = moments[place * perPlace + channel]
            if isDrawn {
              let logarithm = max(-30, min(20, moments[place * perPlace + channels + channel]))
              value += expf(0.5 * logarithm) * draw[index]
            }
            result[index] =
              normalization.map { (value - $0.mean[channel]) * encoder.scalingFactor / $0.deviation[channel] }
              ?? value * encoder.scalingFactor
          }
        }
      }
    }
  }

  /// The picture, with gray (0) where it is painted anew.
  private static func without(_ painted: Tensor, _ pixels: Tensor) -> Tensor {
    Tensor(shape: pixels.shape) { result in
      pixels.withUnsafe { pixels in
        painted.withUnsafe { painted in
          for index in result.indices { result[index] = painted[index / 3] < 0.5 ? pixels[index] : 0 }
        }
      }
    }
  }

  /// Every `size`th value of every `size`th row (torch's nearest `interpolate`).
  private static func thinned(_ mask: Tensor, by size: Int) -> Tensor {
    let (height, width) = (mask.shape[1] / size, mask.shape[2] / size)
    return Tensor(shape: [1, height, width, 1]) { result in
      mask.withUnsafe { mask in
        for row in 0..<height {
          for column in 0..<width {
            result[row * width + column] = mask[row * size * width * size + column * size]
          }
        }
      }
    }
  }
}
