import Diffusion
import Foundation
import JobStore
import Requests

extension PictureName {
  /// The name of a picture by its batch's pattern. It is the same at every attempt.
  /// - Parameters:
  ///   - pattern: of the batch.
  ///   - job: the picture's job.
  ///   - index: of the picture in the job.
  ///   - picture: what is rendered.
  init(_ pattern: PictureNamePattern, job: JobRecord, index: Int, picture: PictureRequest) {
    let request = job.request.render
    let stem = pattern.stem { field in
      switch field {
      case .batch: job.batchName
      case .batchID: "\(job.batch)"
      case .job: "\(job.id)"
      case .index: "\(index)"
      case .seed: "\(picture.render.seed)"
      case .model: Self.short(request.model)
      case .prompt: PictureNamePattern.slug(request.prompt)
      case .width: "\(picture.width)"
      case .height: "\(picture.height)"
      case .steps: "\(request.steps)"
      case .guidance: request.guidance.text
      case .scheduler: request.scheduler?.rawValue ?? "default"
      case .date: Self.day(job.createdAt)
      }
    }
    self.init(stem: stem, job: job.id, index: index)
  }

  /// A model without the folder that it is in, its commit and its ending.
  private static func short(_ model: String) -> String {
    let last = model.split(separator: "/").last ?? "model"
    let name = last.prefix { $0 != "@" }
    let endings = [".safetensors", ".gguf", ".ckpt"]
    return String(endings.first(where: name.hasSuffix).map { name.dropLast($0.count) } ?? name)
  }

  /// The day on which a job was queued, by this machine's clock.
  private static func day(_ time: Milliseconds) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyy-MM-dd"
    return formatter.string(from: Date(milliseconds: time))
  }
}
