import ArgumentParser
import Boundary
import CommandLine
import Foundation
import Merging
import Requests
import Tensors
import WeightCache

/// Merges a recipe into a SegMoE folder.
struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Merge the models of a recipe into a SegMoE model folder.")

  @Argument(help: "The recipe. Models of a hub that it names are pulled first.")
  var config: String

  @Argument(help: "The folder to make. It must not exist.")
  var output: String

  @Option(help: "Seed of the noise for computing gates. All experts use the same.")
  var gateSeed: UInt64 = 0

  @Option(help: "Steps of the renders for computing gates.")
  var gateSteps = 25

  @Option(help: ArgumentHelp("Size of these renders in pixels (default: the models' own).", valueName: "WxH"))
  var gateSize: PixelSize?

  @Option(help: "Computing threads (one per processor).")
  var threads: Int?

  @Flag(help: "Print no progress on standard error.")
  var quiet = false

  func run() throws {
    if let warning = ProductInstructions.failureWarning { complain(warning) }
    try Merger.checkPlace(output)
    let recipe = try Recipe(reading: config)
    let pulls = SourcePulls(quiet: quiet)
    let arrivals = try pulls.arrivals(recipe.remoteSources)
    let settings = GateSettings(seed: gateSeed, steps: gateSteps, size: gateSize)
    // The library behind the trap waits for ever if it cannot start a thread.
    try ProcessRoom.check(threads: 4, bytes: 0)
    let trap = SignalTrap()
    var lastShown = ""
    let budget = MemoryBudget.chosen(given: nil)
    if let budget, !quiet { complain("memory budget \(budget)") }
    let merger = Merger(
      recipe, gates: settings, compute: .init(threads: threads), budget: budget, arrivals: arrivals)
    try merger.merge(into: output) { progress in
      try arrivals.check()
      // While gates are computed there is nothing to clean up, and a step may take minutes.
      if case .gates = progress {} else { try trap.holdAndCheck() }
      let text =
        switch progress {
        case .gates(let expert, let count, let step, let steps):
          "gates of expert \(expert + 1) of \(count): step \(step + 1) of \(steps)"
        case .copying(let component): "copying \(component)"
        case .writing: "writing \(output)"
        }
      guard !quiet, text != lastShown else { return }
      lastShown = text
      pulls.note(text)
    }
  }
}
