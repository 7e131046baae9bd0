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
    negativePrompt = request.negativePrompt
    width = request.width
    height = request.height
    steps = request.steps
    guidance = Double("\(request.guidance)") ?? Double(request.guidance)
    self.scheduler = scheduler.rawValue
    seed = request.seed
    self.precision = precision
    self.model = model
    modelDigest = digest
  }

  /// The texts for the PNG file.
  /// - Throws: `ImageError.badText` for a text that PNG cannot hold, and encoding errors.
  package func texts() throws -> [PNGText] {
    let parameters = A1111Parameters(
      prompt: prompt, negativePrompt: negativePrompt, steps: steps,
      sampler: A1111Parameters.samplerName(scheduler: scheduler), cfgScale: guidance, seed: seed,
      width: width, height: height, modelHash: String(modelDigest.prefix(10)),
      model: (model as NSString).lastPathComponent, version: "segmoe \(version)")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = String(decoding: try encoder.encode(self), as: UTF8.self)
    return [try parameters.pngText(), PNGText(keyword: Self.keyword, text: json)]
  }
}
