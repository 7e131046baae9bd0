import Foundation
import Images

/// What a picture says of how it was made: for AUTOMATIC1111 readers and, whole, as JSON.
package struct PictureText: Codable, Equatable, Sendable {
  /// The keyword of the JSON text.
  package static let keyword = "segmoe"

  package var version: String
  package var prompt: String
  package var negativePrompt: String
  package var width: Int
  package var height: Int
  package var steps: Int
  package var guidance: Double
  package var scheduler: String
  package var seed: UInt64
  package var precision: String
  /// Whether the prompts were read as plain text; nil: with weights and breaks.
  package var plainPrompt: Bool?
  /// The text encoder's layers left out for the prompt, beyond the model's own; nil: none.
  package var clipSkip: Int?
  /// Learned words: tokens and their files' SHA-256; nil: none.
  package var embeddings: [String: String]?
  /// SHA-256 of the picture that it was started from, and of the mask; nil without.
  package var initImage: String?
  package var mask: String?
  package var strength: Double?
  /// What SDXL was told of the picture's framing; nil: nothing cut, the size rendered.
  package var originalSize: String?
  package var crop: String?
  package var targetSize: String?
  package var model: String
  package var modelDigest: String
  /// The queue's numbers; nil for a picture rendered by hand.
  package var batch: Int64?
  package var job: Int64?
  package var index: Int?

  enum CodingKeys: String, CodingKey {
    case version, prompt
    case negativePrompt = "negative_prompt"
    case width, height, steps, guidance, scheduler, seed, precision, model
    case plainPrompt = "plain_prompt"
    case clipSkip = "clip_skip"
    case embeddings, crop
    case initImage = "init_image"
    case mask, strength
    case originalSize = "original_size"
    case targetSize = "target_size"
    case modelDigest = "model_digest"
    case batch, job, index
  }

  /// - Parameter scheduler: the method used, the model's own if the request named none.
  package init(
    _ request: RenderRequest, model: String, digest: String, scheduler: SchedulerName,
    precision: String, version: String
  ) {
    self.version = version
    prompt = request.prompt
    negativePrompt = request.negativePrompt ?? ""
    width = request.width
    height = request.height
    steps = request.steps
    guidance = Double("\(request.guidance)") ?? Double(request.guidance)
    self.scheduler = scheduler.rawValue
    seed = request.seed
    self.precision = precision
    self.model = model
    modelDigest = digest
    plainPrompt = request.reading.isPlain ? true : nil
    clipSkip = request.reading.clipSkip == 0 ? nil : request.reading.clipSkip
    initImage = request.source?.digest
    mask = request.source?.maskDigest
    strength = request.source.map { Double("\($0.strength)") ?? Double($0.strength) }
    let framing = request.framing
    originalSize = framing.originalSize.map { "\($0.width)x\($0.height)" }
    crop = framing.crop == PixelPoint(x: 0, y: 0) ? nil : "\(framing.crop.x),\(framing.crop.y)"
    targetSize = framing.targetSize.map { "\($0.width)x\($0.height)" }
    if !request.reading.embeddings.isEmpty {
      // A word of SDXL may come in two files.
      embeddings = request.reading.embeddings.reduce(into: [:]) { found, word in
        found[word.token] = [found[word.token], word.digest].compactMap { $0 }.joined(separator: "+")
      }
    }
  }

  /// What AUTOMATIC1111 writes of it. It counts clip skip from 1, and knows plain text as an emphasis "None".
  private var pairs: [A1111Parameters.Pair] {
    var pairs: [A1111Parameters.Pair] = []
    if let clipSkip { pairs.append(.init("Clip skip", "\(clipSkip + 1)")) }
    if let embeddings {
      let words = embeddings.sorted { $0.key < $1.key }.map { token, digest in
        "\(token.filter { $0 != ":" && $0 != "," }): \(digest.prefix(12))"
      }
      pairs.append(.init("TI hashes", words.joined(separator: ", ")))
    }
    if let strength { pairs.append(.init("Denoising strength", "\(strength)")) }
    if plainPrompt == true { pairs.append(.init("Emphasis", "None")) }
    return pairs
  }

  /// The texts for the PNG file.
  /// - Throws: `ImageError.badText` for a text that PNG cannot hold, and encoding errors.
  package func texts() throws -> [PNGText] {
    let parameters = A1111Parameters(
      prompt: prompt, negativePrompt: negativePrompt, steps: steps,
      sampler: SchedulerName(rawValue: scheduler)?.method.samplerName ?? scheduler, cfgScale: guidance,
      seed: seed,
      width: width, height: height, modelHash: String(modelDigest.prefix(10)),
      model: (model as NSString).lastPathComponent, extra: pairs, version: "segmoe \(version)")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = String(decoding: try encoder.encode(self), as: UTF8.self)
    return [try parameters.pngText(), PNGText(keyword: Self.keyword, text: json)]
  }
}
