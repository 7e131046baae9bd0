import ArgumentParser
import CommandLine
import JobStore
import Logging
import RenderDaemon

/// The options that the daemon and its fetcher have in common. They are one group of one type: of an option that both
/// declared for themselves, the daemon's would take the value, and the fetcher would never see it.
struct SharedOptions: ParsableArguments {
  @Option(help: "Path of the queue's database.")
  var database: String?

  @Option(
    name: .customLong("models"),
    help:
      "A folder of models. May be repeated. Jobs may then only use models below these folders, and what is there is not fetched."
  )
  var models: [String] = []

  @Option(help: "The lowest level to log (default: info).")
  var logLevel: Logger.Level?

  @Option(
    help: ArgumentHelp("Configuration file in YAML (default: /etc/segmoed/config.yaml).", valueName: "file"))
  var config: String?

  /// The settings that they say.
  var flags: DaemonConfiguration {
    var flags = DaemonConfiguration()
    flags.database = database.map { QueueDatabase.isServer($0) ? $0 : absolutePath($0) }
    flags.models = models.isEmpty ? nil : models.map(absolutePath)
    flags.logLevel = logLevel
    return flags
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
