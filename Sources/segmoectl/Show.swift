import ArgumentParser
import Boundary
import Foundation
import JobStore
import Requests
import SharedFiles

/// `segmoectl show`
struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show everything about a job: settings, pictures, cache of weights.",
    aliases: ["inspect"])

  @OptionGroup var location: Location

  @Argument(help: "The job's number.")
  var id: Int64

  @OptionGroup var sharedOption: SharedOption

  @OptionGroup var format: RowFormat

  func run() throws {
    try format.check(QueueJSON.details)
    let details = try location.open(for: .reading).details(job: id)
    let place = try sharedOption.place(of: location.place)
    if !format.print(details, QueueJSON.details) { print(Self.text(details, place)) }
  }

  /// A limit in UTF-8 bytes that fits the longest prompt in the queue, with unprintable characters written out.
  private static let longest = 100_000

  private static func text(_ details: JobDetails, _ place: SharedPlace?) -> String {
    let job = details.job
    var rows = [("job", "\(job.id), batch \(job.batch) (\(job.batchName))")]
    rows.append(("state", JobTable.state(details.summary)))
    rows += facts(job)
    if let shards = details.summary.shards { rows.append(("shards", shards)) }
    // What it waits for of a hub stands with its sources.
    if !job.isWaitingForSource, let waits = details.summary.waitsFor { rows.append(("waiting for", waits)) }
    for source in details.sources { rows.append(("source", Self.line(source))) }
    for image in details.images {
      rows.append(
        (
          "image \(image.index)",
          "\(image.path), seed \(image.seed), \(image.seconds.rounded().formatted()) s"
            + (image.numerics.map { ", \($0)" } ?? "")
        ))
    }
    if let place, !details.images.isEmpty {
      rows.append(
        ("shared place", "\(place.description); `segmoectl view \(job.id)` fetches what is not here"))
    }
    for image in details.summary.images where job.state == .running && image.path == nil {
      let phase = image.phase?.rawValue ?? "waiting"
      rows.append(("image \(image.index)", "\(image.step)/\(image.steps) \(phase), seed \(image.seed)"))
    }
    if let statistics = job.completion?.statistics {
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
      TerminalText.padded(key, columns: 20) + PlainText.line(value, limit: Self.longest)
    }.joined(separator: "\n")
  }

  private static func facts(_ job: JobRecord) -> [(String, String)] {
    let request = job.request.render
    let size = [request.width, request.height].map { $0.map { "\($0)" } ?? "?" }.joined(separator: "×")
    var rows = [("prompt", request.prompt), ("model", request.model)]
    rows.append(
      (
        "settings",
        """
        \(size), \(request.steps) steps, guidance \(request.guidance), \
        \(request.scheduler?.rawValue ?? "the model's scheduler"), seed \(request.seed), \(request.count) image\
        \(request.count == 1 ? "" : "s"), \(request.precision)
        """
      ))
    for lora in request.loras { rows.append(("lora", "\(lora.path), weight \(lora.weight)")) }
    for embedding in request.embeddings {
      rows.append(("embedding", "\(embedding.path)\(embedding.token.map { ", token \($0)" } ?? "")"))
    }
    // All other settings that differ from their defaults.
    for setting in Setting.all where !Self.shown.contains(setting.name) && !setting.isDefault(request) {
      rows.append((setting.name.replacingOccurrences(of: "_", with: " "), setting.text(request)))
    }
    rows.append(
      ("attempts", "\(job.attempts) of \(job.request.maxAttempts), priority \(job.request.priority)"))
    if let after = job.request.runAfter { rows.append(("not before", clock(after))) }
    if let pattern = job.namePattern { rows.append(("name pattern", pattern)) }
    if let worker = job.tenure?.worker { rows.append(("worker", worker)) }
    if let error = job.failure?.message { rows.append(("error", error)) }
    return rows
  }

  private static func line(_ source: SourceRecord) -> String {
    switch source.state {
    case .ready: "\(source.source): \(source.revision.map { "\($0), " } ?? "")\(source.path ?? "")"
    case .failed: "\(source.source): failed"
    case .wanted, .fetching:
      "waiting for \(source.standing)" + (source.error.map { "; last time: \($0)" } ?? "")
    }
  }

  /// Settings that have a place of their own in `facts`.
  private static let shown: Set = [
    "prompt", "model", "width", "height", "steps", "guidance", "scheduler", "seed", "count", "precision",
    "loras", "embeddings",
  ]

  private static func clock(_ time: Milliseconds) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyy-MM-dd HH:mm:ss"
    return formatter.string(from: Date(milliseconds: time))
  }
}
