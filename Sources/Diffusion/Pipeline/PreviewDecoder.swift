import Boundary
import Checkpoints
import Images
import Tensors
import WeightCache

/// Small pictures of what is at work, decoded by a tiny autoencoder (TAESD): the model's own, or one beside it.
///
/// Previews may take half a hundredth of the time, and should come every few steps. To decode all latents of a picture
/// of 512×512 would take 141 GFLOP, a twelfth of a step. So the latents are made smaller first, by averages of
/// neighbours: what the encoder makes of a smaller picture looks much like it. 16×16 latents take 9 GFLOP, and become a
/// picture of 128×128, which is larger than most terminals show.
package struct PreviewDecoder: Sendable {
  /// Where the decoder is.
  private enum Home: Sendable {
    /// In memory, as long as the model is open.
    case model(TinyDecoder)
    /// In the cache of weights, as long as there is room.
    case cache(CachedPart<TinyDecoder>)
  }

  private let home: Home
  private let configuration: AutoencoderTinyConfiguration

  /// The longer side of the latents that are decoded, and of their picture in pixels.
  private static let longest = (latents: 16, pixels: 128)

  /// The model's own; nil if it has another kind of VAE.
  package init?(ownOf model: DiffusionModel) {
    guard let decoder = model.decoder as? TinyDecoder else { return nil }
    home = .model(decoder)
    configuration = decoder.configuration
  }

  /// One beside the models. Its weights are in the cache, as those of any model.
  /// - Parameters:
  ///   - files: the autoencoder's.
  ///   - cache: where its weights go.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, `DiffusionError.unsupported` for another kind of VAE.
  package init(_ files: AutoencoderFiles, cache: PartCache) throws {
    let kind = try files.config.stringIfPresent("_class_name")
    guard kind == AutoencoderTinyConfiguration.className else {
      throw DiffusionError.unsupported(
        file: files.path, key: "_class_name", value: "\(kind ?? "AutoencoderKL"), which is no TAESD,")
    }
    let configuration = try AutoencoderTinyConfiguration(files.config)
    self.configuration = configuration
    var digest = Digest()
    try files.add(to: &digest)
    home = .cache(
      try CachedPart(
        files.weights, part: "decoder", in: PartHome(model: digest.hexadecimal(), cache: cache)["previews"]
      ) { try TinyDecoder($0, configuration) })
  }

  /// Whether it decodes a model's latents. Normalized ones, as Playground 2.5 has, are no TAESD's.
  func fits(_ model: DiffusionModel) -> Bool {
    configuration.latentChannels == model.decoder.latentChannels && model.encoder?.normalization == nil
  }

  /// Decodes a small picture of clean latents at the UNet's scale, `[1, height, width, channel]`.
  /// - Throws: `DiffusionError.notFinite`, and what reading weights throws.
  package func callAsFunction(_ latents: Tensor, _ compute: Compute) throws -> RGBImage {
    // A job's counts of the cache are those of its render alone.
    let pixels = try decoded(smaller(latents), ForwardPass(compute: compute))
    return try RGBImage(decoded: pixels, by: "VAE decoder for previews")
  }

  private func decoded(_ latents: Tensor, _ pass: ForwardPass) throws -> Tensor {
    switch home {
    case .model(let decoder): decoder(latents, pass)
    case .cache(let part): try part(pass) { $0(latents, pass) }
    }
  }

  /// What a preview takes.
  struct Plan: Sendable {
    let phase: PhasePlan
    /// Multiplications and additions.
    let operations: Int
  }

  /// Plans a preview of latents of a size, decoded on `compute`.
  func plan(height: Int, width: Int, on compute: Compute) throws -> Plan {
    let plan = PassPlan(on: compute)
    let size = size(height: height, width: width)
    _ = try decoded(
      Tensor(meta: [1, size.height, size.width, configuration.latentChannels]), ForwardPass(planning: plan))
    return Plan(
      phase: PhasePlan(plan, kept: 0),
      operations: configuration.decoderOperations(height: size.height, width: size.width))
  }

  // MARK: - Smaller latents

  /// The size of the latents that are decoded in place of others.
  private func size(height: Int, width: Int) -> (height: Int, width: Int) {
    let most = max(1, min(Self.longest.latents, Self.longest.pixels / configuration.pixelsPerLatent))
    let longest = max(height, width)
    guard longest > most else { return (height, width) }
    return (max(1, height * most / longest), max(1, width * most / longest))
  }

  /// Latents of which each is the average of those in its place (torch's `adaptive_avg_pool2d`).
  private func smaller(_ latents: Tensor) -> Tensor {
    let (height, width, channels) = (latents.shape[1], latents.shape[2], latents.shape[3])
    let size = size(height: height, width: width)
    guard size != (height, width) else { return latents }
    func span(_ index: Int, _ count: Int, of all: Int) -> Range<Int> {
      index * all / count..<((index + 1) * all + count - 1) / count
    }
    return Tensor(shape: [1, size.height, size.width, channels]) { result in
      latents.withUnsafe { latents in
        for index in result.indices {
          let (place, channel) = (index / channels, index % channels)
          let rows = span(place / size.width, size.height, of: height)
          let columns = span(place % size.width, size.width, of: width)
          var sum: Float = 0
          for row in rows {
            for column in columns { sum += latents[(row * width + column) * channels + channel] }
          }
          result[index] = sum / Float(rows.count * columns.count)
        }
      }
    }
  }
}
