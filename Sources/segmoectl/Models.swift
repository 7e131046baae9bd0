import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore

/// `segmoectl models`
struct Models: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the models that the daemons have.",
    discussion: """
      Those in their folders (--models, or `models` in the configuration), loaded or not, and those that were loaded from \
      elsewhere. A daemon looks through its folders when it starts, and every ten seconds. A model that cannot be used has \
      the reason in its line.
      """)

  @OptionGroup var location: Location
  @OptionGroup var format: RowFormat

  func run() throws {
    try format.check(QueueJSON.model)
    let models = try location.open(for: .reading).knownModels().models
    if format.print(models, QueueJSON.model) { return }
    if models.isEmpty {
      print("No models yet; segmoed registers those it finds (--models DIR) or loads.")
    } else {
      let having = Set(models.flatMap(\.workers)).count
      print(
        TerminalText.table(
          ["MODEL", "KIND", "WHAT", "SIZE", "LOADED", "WHERE, OR WHAT IS WRONG"],
          models.map { Self.row($0, having: having) }))
    }
  }

  /// - Parameter having: how many daemons have models in their folders.
  private static func row(_ model: ModelRecord, having: Int) -> [String] {
    let loaded = model.loadedAt.map {
      Date(milliseconds: $0).formatted(.iso8601.year().month().day())
    }
    let held =
      model.heldUntil.flatMap { $0 > Date().milliseconds ? " (held by a person for now)" : nil } ?? ""
    let who = having > 1 && !model.workers.isEmpty ? " (\(model.workers.joined(separator: ", ")))" : ""
    return [
      model.name, model.kind ?? "", model.description ?? "", model.bytes.map(Self.size) ?? "",
      loaded ?? "never", (model.fault ?? model.loadError ?? model.path ?? "") + who + held,
    ].map { PlainText.line($0) }
  }

  private static func size(_ bytes: Int64) -> String {
    if bytes >= 10 << 30 { return "\(bytes >> 30) GiB" }
    return bytes >= 10 << 20 ? "\(bytes >> 20) MiB" : "\(max(1, bytes >> 10)) KiB"
  }
}
