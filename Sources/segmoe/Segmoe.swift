import ArgumentParser
import Boundary
import CommandLine
import Release
import Tensors

/// The engine by hand.
struct Segmoe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segmoe",
    abstract: "Merge, render and look into SegMoE models.",
    discussion: """
      `segmoe CONFIG.yaml OUT` is short for `segmoe merge CONFIG.yaml OUT`.

      \(ProgramExit.help)
      """,
    version: Version.current,
    subcommands: [
      RenderCommand.self, MergeCommand.self, TokenizeCommand.self, InspectCommand.self, BenchCommand.self,
      SynthCommand.self, PrecisionCommand.self, UNetCommand.self, ReplayCommand.self,
      ContactSheetCommand.self, PullCommand.self, PushCommand.self,
    ],
    defaultSubcommand: MergeCommand.self)
}

@main
enum Main {
  static func main() {
    Segmoe.runToEnd {
      if let warning = try ProductInstructions.checkEnvironment() { complain(warning) }
    }
  }
}
