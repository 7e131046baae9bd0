import ArgumentParser
import Boundary
import CommandLine
import Configuration
import Foundation
import JobStore
import PostgresStore
import RenderDaemon
import Requests
import SharedFiles

/// Checks a configuration, and shows the settings that it leads to.
struct CheckConfig: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-config",
    abstract: "Check the service's configuration, or a file.",
    discussion: """
      Without a file: what the service will run with, by its unit, its drop-ins and /etc/segmoed/config.yaml, whoever \
      asks. With a file: what segmoed --config FILE would run with here. Folders must be there, and the service's sandbox \
      must let it write where it has to.

      Exit code 0 if all is right, 65 for a wrong file, 66 for a missing one or a missing folder, 64 for an unknown \
      variable, 77 for rights that are not given.
      """)

  @Argument(help: "The file (default: as the service).")
  var file: String?

  @Option(
    help: ArgumentHelp("Check the installation below another folder, such as an image.", valueName: "dir"))
  var root = ""

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "Print what is wrong, and nothing else. `systemctl reload segmoed` asks so before it reloads.")
  var quiet = false

  func validate() throws {
    if json && quiet { throw ValidationError("--json and --quiet: give one of them") }
  }

  func run() throws {
    let isService = file == nil || file == DaemonConfiguration.standardFile
    let unit = isService ? ServiceUnit(root: root) : nil
    let environment = unit?.environment ?? ProcessInfo.processInfo.environment
    let daemon = try unit.map { try Segmoed.parse($0.arguments) } ?? Segmoed.parse([])
    let path = file ?? daemon.shared.config ?? DaemonConfiguration.standardFile
    let isStandard = path == DaemonConfiguration.standardFile
    let configuration =
      try isStandard && file == nil
      ? DaemonConfiguration(standardAt: root + path)
      : DaemonConfiguration(reading: file == nil ? root + path : path)
    let settings = daemon.flags.over(try DaemonConfiguration(environment: environment)).over(configuration)
      .settings(environment: environment)
    let faults = SettingsCheck(settings: settings, environment: environment, unit: unit, root: root).faults
    if json {
      print(try JSONOutput.text(Report(file: path, unit: unit?.path, settings: settings, faults: faults)))
    } else if !quiet {
      let isMissing = isStandard && file == nil && access(root + path, F_OK) != 0
      let verdict = faults.isEmpty ? "is right" : "cannot be used as it is"
      let place = unit.map { PlainText.line($0.path) } ?? "the environment"
      print(
        isMissing
          ? "\(PlainText.line(path)) is not there; without it these values count, with \(place):"
          : "\(PlainText.line(path)) \(verdict). With \(place) it leads to:")
      for (key, value) in settings.shown { print("\(key): \(value)") }
    }
    for fault in faults { complain(fault.message) }
    if let first = faults.first { throw ExitCode(first.exit.rawValue) }
  }
}

extension CheckConfig {
  /// What `--json` prints.
  fileprivate struct Report: Encodable {
    let file: String
    let unit: String?
    let settings: [String: String]
    let faults: [Fault]

    struct Fault: Encodable {
      let setting: String
      let fault: String
      let mend: String
    }

    init(file: String, unit: String?, settings: DaemonSettings, faults: [SettingsFault]) {
      self.file = file
      self.unit = unit
      self.settings = Dictionary(settings.shown.map { ($0.key, $0.value) }) { first, _ in first }
      self.faults = faults.map { Fault(setting: $0.setting, fault: $0.fault, mend: $0.mend) }
    }
  }
}

extension DaemonSettings {
  /// The queue without a password.
  private var queue: String {
    guard QueueDatabase.isServer(database) else { return database }
    return (try? ServerAddress(database))?.description ?? "postgresql://"
  }

  /// Every key of the configuration with its value, for a person.
  fileprivate var shown: [(key: String, value: String)] {
    let owners = PlainText.line(
      sourceLimits.owners.map { "[\($0.sorted().joined(separator: ", "))]" } ?? "any")
    let hosts = sourceLimits.hosts.map(\.rawValue).sorted().joined(separator: ", ")
    let largest = ByteCount(bytes: sourceLimits.largest).size
    return [
      ("database", PlainText.line(queue)),
      ("output", PlainText.line(output)),
      ("models", "[\(PlainText.line(modelFolders.joined(separator: ", ")))]"),
      ("inputs", "[\(PlainText.line(inputFolders.joined(separator: ", ")))]"),
      ("memory_budget", memoryBudget.map { ByteCount(bytes: $0).size } ?? "what the machine has left"),
      ("threads", threads.map { "\($0)" } ?? "one per processor"), ("jobs", "\(jobs)"),
      ("worker", PlainText.line(worker)),
      ("lease_seconds", "\(leaseSeconds)"), ("model_patience", "\(modelPatience)"),
      ("numerics_patience", "\(numericsPatience)"),
      ("checkpoint_steps", checkpointSteps.map { "\($0)" } ?? "as cost allows"),
      ("previews", "\(previews)"), ("preview_vae", PlainText.line(previewVAE.shown)),
      ("coalesce", coalesce.map { "\($0)" } ?? "as it pays"), ("cache_policy", cachePolicy.rawValue),
      (
        "limits",
        "{side: \(limits.side), steps: \(limits.steps), count: \(limits.count), "
          + "prompt_bytes: \(limits.promptBytes), loras: \(limits.loras)}"
      ),
      ("log_level", "\(logLevel)"), ("metrics", PlainText.line(metrics ?? "none")),
      ("private_folder", PlainText.line(privateFolder)), ("digests", PlainText.line(digestFolder)),
      ("hub", PlainText.line(hub ?? "as for Hugging Face's programs")),
      ("shared", PlainText.line(shared.map { (try? SharedAddress($0))?.description ?? "wrong" } ?? "none")),
      ("fetch", "{owners: \(owners), hosts: [\(hosts)], largest: \(largest)}"),
    ]
  }
}

extension PreviewVAENames {
  fileprivate var shown: String {
    "{sd: \(sd ?? "taesd if it is there"), sdxl: \(sdxl ?? "taesdxl if it is there")}"
  }
}
