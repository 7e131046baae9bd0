import ArgumentParser
import Boundary
import Configuration
import Foundation
import RenderDaemon

/// Checks a configuration file and prints the settings that it leads to.
struct CheckConfig: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-config",
    abstract: "Check a configuration file, by default /etc/segmoed/config.yaml.",
    discussion: "Exit code 0 if it is right, 65 if not, 66 if it can't be read.")

  @Argument(help: "The file.")
  var file: String = DaemonConfiguration.standardFile

  func run() throws {
    let environment = ProcessInfo.processInfo.environment
    let configuration = try DaemonConfiguration(environment: environment)
      .over(DaemonConfiguration(reading: file))
    let settings = configuration.settings(environment: environment)
    print("\(PlainText.line(file)) is right. With the environment it leads to:")
    print("database: \(PlainText.line(settings.database))")
    print("output: \(PlainText.line(settings.output))")
    print("models: [\(PlainText.line(settings.modelFolders.joined(separator: ", ")))]")
    print("inputs: [\(PlainText.line(settings.inputFolders.joined(separator: ", ")))]")
    print("memory_budget: \(settings.memoryBudget.map { "\($0)" } ?? "what the machine has left")")
    print("threads: \(settings.threads.map { "\($0)" } ?? "one per processor")")
    print("worker: \(PlainText.line(settings.worker))")
    print("lease_seconds: \(settings.leaseSeconds)")
    print("model_patience: \(settings.modelPatience)")
    print("checkpoint_steps: \(settings.checkpointSteps.map { "\($0)" } ?? "as cost allows")")
    print("coalesce: \(settings.coalesce.map { "\($0)" } ?? "as it pays")")
    print("cache_policy: \(settings.cachePolicy.rawValue)")
    let limits = settings.limits
    print(
      "limits: {side: \(limits.side), steps: \(limits.steps), count: \(limits.count), "
        + "prompt_bytes: \(limits.promptBytes), loras: \(limits.loras)}")
    print("log_level: \(settings.logLevel)")
    print("metrics: \(PlainText.line(settings.metrics ?? "none"))")
    print("private_folder: \(PlainText.line(settings.privateFolder))")
    print("hub: \(PlainText.line(settings.hub ?? "as for Hugging Face's programs"))")
    let fetch = settings.sourceLimits
    print(
      "fetch: {owners: \(PlainText.line(fetch.owners.map { "[\($0.sorted().joined(separator: ", "))]" } ?? "any")), "
        + "hosts: [\(fetch.hosts.map(\.rawValue).sorted().joined(separator: ", "))], largest: \(fetch.largest)}"
    )
  }
}
