import Checkpoints
import Foundation
import Images
import Requests
import Tensors

/// The text in a PNG file about how the picture was made: one for AUTOMATIC1111's readers, and one in JSON with
/// everything.
///
/// Files are given by name and SHA-256, without the folders of the machine that rendered the picture.
package struct PictureText: Sendable {
  /// The PNG keyword of the JSON text.
  package static let keyword = "segmoe"

  /// The request, with this picture's seed, and the size and method that were used.
  private let request: RenderRequest
  private let model: DiffusionModel.Names
  private let words: [TextualInversion]
  private let source: SourcePicture?
  /// Edge of the decoder's tiles in latents; nil if it decoded the whole at once.
  private let tile: Int?
  private let version: String
  /// With which the same request gives the same bytes.
  private let numerics = NumericsClass.inUse
  /// The queue's batch; nil for a picture rendered by hand.
  package var batch: Int64?
  package var job: Int64?
  package var index: Int?

  /// - Parameters:
  ///   - picture: the request that was rendered.
  ///   - model: the model that rendered it.
  ///   - tile: the edge of the decoder's tiles in latents; nil if it decoded the whole at once.
  ///   - version: the version of the program.
  /// - Throws: `DiffusionError.unknownScheduler` if the model's own method is unknown.
  package init(_ picture: PictureRequest, model: DiffusionModel, tile: Int?, version: String) throws {
    var request = picture.render
    (request.width, request.height) = (picture.width, picture.height)
    request.scheduler = try model.schedulerName(for: picture)
    request.count = 1
    // It changes no pixel but by the tiles, and these are named.
    request.memoryBudget = nil
    if picture.source != nil { request.strength = picture.strength }
    self.request = request
    self.model = model.names
    words = picture.words
    source = picture.source
    self.tile = tile
    self.version = version
  }

  /// The texts for the PNG file.
  /// - Throws: `ImageError.badText` for a text that PNG cannot hold, and encoding errors.
  package func texts() throws -> [PNGText] {
    let parameters = A1111Parameters(
      prompt: request.prompt, negativePrompt: request.negativePrompt ?? "", steps: request.steps,
      sampler: request.scheduler?.method.samplerName ?? "",
      cfgScale: request.guidance, seed: request.seed, width: request.width ?? 0, height: request.height ?? 0,
      modelHash: String(model.digest.prefix(10)), model: Self.name(request.model), extra: pairs,
      version: "segmoe \(version)")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = String(decoding: try encoder.encode(self), as: UTF8.self)
    return [try parameters.pngText(), PNGText(keyword: Self.keyword, text: json)]
  }

  /// The settings in AUTOMATIC1111's words. It counts clip skip from 1, and calls plain text the emphasis "None".
  private var pairs: [A1111Parameters.Pair] {
    var pairs: [A1111Parameters.Pair] = []
    if let sigmas = request.sigmas { pairs.append(.init("Schedule type", sigmas.label)) }
    if let eta = request.eta { pairs.append(.init("Eta", "\(eta)")) }
    if let merging = request.tokenMerging, merging.ratio > 0 {
      pairs.append(.init("Token merging ratio", "\(merging.ratio)"))
    }
    if request.clipSkip != 0 { pairs.append(.init("Clip skip", "\(request.clipSkip + 1)")) }
    if !words.isEmpty {
      let words = words.sorted { $0.token < $1.token }.map { word in
        "\(Self.word(word.token)): \(word.digest.prefix(12))"
      }
      pairs.append(.init("TI hashes", words.joined(separator: ", ")))
    }
    if !request.loras.isEmpty {
      let hashes = zip(request.loras, model.loraDigests).map {
        "\(Self.word(Self.name($0.path))): \($1.prefix(12))"
      }
      pairs.append(.init("Lora hashes", hashes.joined(separator: ", ")))
    }
    if let vae = request.vae, let digest = model.vaeDigest {
      pairs += [.init("VAE hash", String(digest.prefix(10))), .init("VAE", Self.name(vae))]
    }
    if request.variationStrength != 0 {
      pairs += [
        .init("Variation seed", "\(request.variationSeed)"),
        .init("Variation seed strength", "\(request.variationStrength)"),
      ]
    }
    if let strength = request.strength { pairs.append(.init("Denoising strength", "\(strength)")) }
    if let tile { pairs.append(.init("Decoder tile", "\(tile)")) }
    if request.isPlainPrompt { pairs.append(.init("Emphasis", "None")) }
    return pairs
  }

  /// A name in a list of names and hashes.
  private static func word(_ name: String) -> String { name.filter { $0 != ":" && $0 != "," } }

  /// The last part of a path.
  private static func name(_ path: String) -> String { ModelSource.name(ofPath: path) }
}

/// The request's JSON form, with the digests of its files and of the model, and the queue's numbers.
extension PictureText: Encodable {
  private struct File: Encodable {
    let name: String
    let sha256: String
    var weight: Double?
    var token: String?
  }

  /// - Throws: `EncodingError`
  package func encode(to encoder: any Encoder) throws {
    var plain = request
    plain.model = Self.name(plain.model)
    (plain.loras, plain.embeddings, plain.vae) = ([], [], nil)
    (plain.initImage, plain.mask) = (nil, nil)
    try plain.encode(to: encoder)
    var members = encoder.container(keyedBy: SettingKey.self)
    func key(_ name: String) -> SettingKey { SettingKey(name) }
    // Written even if it is null, because an empty text is not the same.
    try members.encode(plain.negativePrompt, forKey: key("negative_prompt"))
    if !request.loras.isEmpty {
      let files = zip(request.loras, model.loraDigests).map { lora, digest in
        File(name: Self.name(lora.path), sha256: digest, weight: lora.weight)
      }
      try members.encode(files, forKey: key("loras"))
    }
    if !words.isEmpty {
      // A learned word for SDXL may be in two files.
      let digests = words.reduce(into: [String: String]()) { found, word in
        found[word.token] = [found[word.token], word.digest].compactMap { $0 }.joined(separator: "+")
      }
      try members.encode(digests, forKey: key("embeddings"))
      let files = zip(request.embeddings, words).map { file, word in
        File(name: Self.name(file.path), sha256: word.digest, token: word.token)
      }
      try members.encode(files, forKey: key("embedding_files"))
    }
    if let vae = request.vae {
      try members.encode(
        File(name: Self.name(vae), sha256: model.vaeDigest ?? ""), forKey: key("vae"))
    }
    try members.encodeIfPresent(source?.digest, forKey: key("init_image"))
    try members.encodeIfPresent(source?.maskDigest, forKey: key("mask"))
    try members.encodeIfPresent(tile, forKey: key("decoder_tile"))
    try members.encode(version, forKey: key("version"))
    try members.encode(numerics.description, forKey: key("numerics"))
    try members.encode(model.digest, forKey: key("model_digest"))
    try members.encodeIfPresent(batch, forKey: key("batch"))
    try members.encodeIfPresent(job, forKey: key("job"))
    try members.encodeIfPresent(index, forKey: key("index"))
  }
}

extension PictureText {
  /// Whether a file is a picture that was rendered by hand, by its own word. Pictures of the queue name their job, and
  /// belong to it.
  /// - Parameter path: a file, which may be anything.
  package static func isByHand(_ path: String) -> Bool {
    guard let text = PNGTextScan.text(keyword, in: path),
      case .object(let members)? = try? JSONValue(parsing: Array(text.utf8), path: path)
    else { return false }
    return members["prompt"] != nil && members["model_digest"] != nil && members["job"] == nil
  }
}
