import ArgumentParser

/// Measures speed; waits for the kernels that are worth measuring.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure speed (not built yet).")

  @Argument(parsing: .allUnrecognized) var rest: [String] = []

  func run() throws { throw Problem.unavailable("bench is not built into this version") }
}

/// Writes random models of real size; waits for them to be needed.
struct SynthCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synth", abstract: "Write a random model of real size (not built yet).")

  @Argument(parsing: .allUnrecognized) var rest: [String] = []

  func run() throws { throw Problem.unavailable("synth is not built into this version") }
}
