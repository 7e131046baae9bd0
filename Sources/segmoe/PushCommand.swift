import ArgumentParser
import CommandLine
import Foundation
import HTTP
import Hub
import Requests

/// Pushes a model into a repository of a hub.
struct PushCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "push", abstract: "Send a model's folder to a repository of a hub, in one commit.",
    discussion: "Run again, it sends what is missing. The token is that of HF_TOKEN or of `hf auth login`.")

  @Argument(help: "The folder.")
  var folder: String

  @Argument(help: ArgumentHelp("The repository; it is made if it is not there.", valueName: "owner/name"))
  var repository: String

  @Flag(name: .customLong("private"), help: "Make the repository a private one.")
  var isPrivate = false

  @Option(help: ArgumentHelp("The branch; it is made if it is not there.", valueName: "branch"))
  var revision: String?

  @Flag(help: "Open a pull request.")
  var createPr = false

  @Option(help: ArgumentHelp("What the commit says.", valueName: "text"))
  var message = "Upload folder using segmoe"

  @Option(
    help: ArgumentHelp(
      "Leave out paths like this one (step_*); may be given again. A star stands for slashes, too.",
      valueName: "pattern"))
  var ignore: [String] = []

  @Option(
    help: ArgumentHelp("A picture for the model card, sent along; may be given again.", valueName: "file"))
  var samples: [String] = []

  @Flag(help: "Only say what would be sent.")
  var dryRun = false

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "No progress on standard error.")
  var quiet = false

  func run() throws {
    guard let id = RepositoryID(repository) else { throw SourceError.repositoryName(text: repository) }
    var options = PushOptions()
    options.isPrivate = isPrivate
    options.revision = revision
    options.opensRequest = createPr
    options.message = message
    options.ignore = ignore
    options.isDry = dryRun
    options.samples = samples
    options.card = ModelCard(folder: folder, name: id.name)?.text(samples: samples.map(HubPush.sampleName))
    let settings = try HubSettings()
    let line = ProgressLine(isQuiet: quiet)
    let push = HubPush(
      settings: settings, transport: CurlTransport(trust: settings.trust), folder: folder, id: id,
      options: options,
      say: { line.say($0) }, tell: { line.show($0) })
    defer { line.end() }
    let result = try push.run()
    line.end()
    try report(result)
  }

  private func report(_ result: PushResult) throws {
    if json {
      print(try JSONOutput.text(Row(result), keys: .useDefaultKeys))
    } else if dryRun {
      result.files.forEach { print($0) }
    } else if result.files.isEmpty {
      print("already up to date: \(result.commit)")
    } else {
      print(result.url)
    }
  }

  private struct Row: Encodable {
    let repository: String
    let commit: String
    let url: String
    let uploadedBytes: Int
    let files: [String]

    init(_ result: PushResult) {
      repository = result.repository
      commit = result.commit
      url = result.url
      uploadedBytes = result.uploadedBytes
      files = result.files
    }
  }
}
