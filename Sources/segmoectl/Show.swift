import ArgumentParser
import Foundation
import JobStore

/// `segmoectl show`
struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show everything about a job: settings, pictures, what the cache of weights did.",
    aliases: ["inspect"])

  @OptionGroup var location: Location

  @Argument(help: "The job's number.")
  var id: Int64

  @OptionGroup var format: Format

  func run() throws {
    let details = try location.open().details(job: id)
    print(format.json ? JSONText.details(details).text : Self.text(details))
  }

  private static func text(_ details: JobDetails) -> String {
    let job = details.job
    var rows = [("job", "\(job.id), batch \(job.batch) (\(job.batchName))")]
    rows.append(("state", JobTable.state(details.summary)))
    rows += facts(job)
    for image in details.images {
      rows.append(
        ("image \(image.index)", "\(image.path), seed \(image.seed), \(Int(image.seconds.rounded())) s"))
    }
    for image in details.summary.images where job.state == .running && image.path == nil {
      let phase = image.phase?.rawValue ?? "waiting"
      rows.append(("image \(image.index)", "\(image.step)/\(image.steps) \(phase), seed \(image.seed)"))
    }
    if let statistics = job.statistics {
      rows.append(
        (
          "weights",
          """
          \(statistics.cacheHits) hits, \(statistics.cacheMisses) misses, \(statistics.cacheEvictions) evictions, \
          \(statistics.cacheBypasses) bypasses, \(statistics.bytesRead >> 20) MiB read, \(statistics.stall) ms waited; peak \(statistics.peakBytes >> 20) MiB
          """
        ))
    }
    for event in details.events {
      let who = event.worker.map { " by \($0)" } ?? ""
      let detail = event.detail.map { ": \($0)" } ?? ""
      rows.append(
        (clock(event.at), event.kind.rawValue.replacingOccurrences(of: "_", with: " ") + who + detail))
    }
    return rows.map { key, value in
      TerminalText.padded(key, columns: 20) + TerminalText.plain(value)
    }.joined(separator: "\n")
  }

  private static func facts(_ job: JobRecord) -> [(String, String)] {
    let settings = job.request.settings
    var rows = [("prompt", job.request.prompt)]
    if !settings.negativePrompt.isEmpty { rows.append(("negative prompt", settings.negativePrompt)) }
    rows.append(("model", settings.model))
    rows.append(
      (
        "settings",
        """
        \(settings.width)×\(settings.height), \(settings.steps) steps, guidance \(settings.guidance), \
        \(settings.scheduler?.rawValue ?? "the model's scheduler"), seed \(settings.seed), \(settings.count) image\
        \(settings.count == 1 ? "" : "s"), \(settings.precision)
        """
      ))
    for lora in settings.loras { rows.append(("lora", "\(lora.path), weight \(lora.weight)")) }
    for embedding in settings.embeddings {
      rows.append(("embedding", "\(embedding.path)\(embedding.token.map { ", token \($0)" } ?? "")"))
    }
    if settings.clipSkip != 0 { rows.append(("clip skip", "\(settings.clipSkip)")) }
    if settings.isPlainPrompt { rows.append(("plain prompt", "yes")) }
    if let vae = settings.vae { rows.append(("vae", vae)) }
    if let image = settings.initImage {
      rows.append(("initial image", "\(image), strength \(settings.strength ?? 0.8)"))
    }
    if let mask = settings.mask { rows.append(("mask", mask)) }
    let framing = settings.framing
    if let size = framing.originalSize { rows.append(("original size", "\(size)")) }
    if let crop = framing.crop { rows.append(("crop", "\(crop)")) }
    if let size = framing.targetSize { rows.append(("target size", "\(size)")) }
    rows.append(
      ("attempts", "\(job.attempts) of \(job.request.maxAttempts), priority \(job.request.priority)"))
    if let after = job.request.runAfter { rows.append(("not before", clock(after))) }
    if let worker = job.worker { rows.append(("worker", worker)) }
    if let error = job.error { rows.append(("error", error)) }
    return rows
  }

  private static func clock(_ time: Milliseconds) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyy-MM-dd HH:mm:ss"
    return formatter.string(from: Date(milliseconds: time))
  }
}
