import ArgumentParser
import CommandLine
import Foundation
import Hub
import Requests

/// Fetches models from a hub.
struct PullCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pull", abstract: "Fetch models from a hub, and print where they are.")

  @Argument(
    help: ArgumentHelp(
      "owner/name[@revision], owner/name/file.safetensors, or a link of huggingface.co or civitai.com.",
      valueName: "source"))
  var sources: [String]

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "Only show what would be fetched.")
  var dryRun = false

  @Flag(help: "Print no progress on standard error.")
  var quiet = false

  func run() throws {
    let pulls = SourcePulls(quiet: quiet)
    var pulled: [PulledModel] = []
    for source in sources { pulled.append(try pulls.pull(source, for: .model, isDry: dryRun)) }
    if json {
      print(try JSONOutput.text(pulled.map(Row.init), keys: .useDefaultKeys))
    } else {
      for model in pulled {
        print(dryRun && !model.fromCache ? "\(model.path) (\(HubError.size(model.bytes)))" : model.path)
      }
    }
  }

  private struct Row: Encodable {
    let source: String
    let path: String
    let revision: String?
    let bytes: Int
    let fromCache: Bool

    init(_ model: PulledModel) {
      source = model.source
      path = model.path
      revision = model.revision
      bytes = model.bytes
      fromCache = model.fromCache
    }
  }
}
