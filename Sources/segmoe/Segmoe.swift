import ArgumentParser
import Boundary
import Diffusion
import Foundation
import Release
import Tensors

/// The engine by hand.
struct Segmoe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segmoe",
    abstract: "Merge, render and look into SegMoE models.",
    discussion: """
      `segmoe CONFIG.yaml OUT` is short for `segmoe merge CONFIG.yaml OUT`.

      Exit codes: 0 done, 64 wrong usage, 65 bad input data, 66 missing file or model, 69 unavailable
      (network, hub, disk, memory, threads), 70 anything else, 77 not permitted. Errors go to standard error, one line each.
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
    do {
      var command = try Segmoe.parseAsRoot()
      if !asksForHelp { try checkInstructions() }
      try command.run()
    } catch {
      ProcessEnd.now(report(error))
    }
    ProcessEnd.now(0)
  }

  private static var asksForHelp: Bool {
    CommandLine.arguments.dropFirst().contains { ["help", "--help", "-h", "--version"].contains($0) }
  }

  /// Checks `SEGMOE_ISA` before anything is computed.
  private static func checkInstructions() throws {
    if let value = ProductInstructions.unknown() {
      throw Problem.usage(
        "$\(ProductInstructions.variable) cannot be '\(value)': "
          + "use one of \(ProductInstructions.names.joined(separator: ", "))")
    }
    if let warning = ProductInstructions.shortfall { complain(warning) }
  }

  /// Prints help if it was asked for, or an error as one line.
  /// - Returns: the exit code.
  private static func report(_ error: any Error) -> Int32 {
    if let problem = Problem(error) {
      complain(problem.message)
      return problem.code
    }
    let code = Segmoe.exitCode(for: error)
    if code.isSuccess {
      print(Segmoe.fullMessage(for: error))
      return 0
    }
    if error is ExitCode { return code.rawValue }
    let message = Segmoe.message(for: error).split(separator: "\n").joined(separator: " ")
    complain(message.isEmpty ? "wrong usage; `segmoe --help` shows what there is" : message)
    return code.rawValue
  }
}

/// Writes one line to standard error.
func complain(_ message: String) {
  FileHandle.standardError.write(Data("segmoe: \(PlainText.line(message))\n".utf8))
}
