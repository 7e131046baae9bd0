import Foundation
import TestSupport
import Testing

/// The real `segmoe bench`, and what it and the others make of `SEGMOE_ISA`.
@Suite struct BenchCommandTests {
  private static let model = Places.golden("model/base")

  private static let kinds: Set = ["linear", "convolution", "attention", "normalization", "elementwise"]

  private struct Report: Decodable {
    let instructions: String
    let gflops: Double
    let seconds: Seconds
    let peakShare: Double
    let peakRssBytes: Int
    let peakGflops: [String: Double]
    let kinds: [Row]
    let layers: [Row]?

    struct Seconds: Decodable {
      let min: Double
      let median: Double
      let all: [Double]
    }

    struct Row: Decodable {
      let kind: String
      let calls: Int
      let seconds: Double
      let gflops: Double?
      let peakShare: Double?
      let peak: String?
      let counted: String?
    }

    /// The row of a kind.
    subscript(kind: String) -> Row? { kinds.first { $0.kind == kind } }
  }

  private func run(_ arguments: [String], program: String = "segmoe", instructions: String? = nil) throws
    -> Outcome
  {
    var environment = ProcessInfo.processInfo.environment
    environment["SEGMOE_ISA"] = instructions
    return try Outcome(of: program, arguments, environment: environment)
  }

  private func bench(_ subject: String, _ more: String...) throws -> Outcome {
    let outcome = try run(
      ["bench", subject, Self.model, "--width", "64", "--height", "64", "--repeat", "2"] + more)
    #expect(outcome.code == 0, "\(outcome)")
    return outcome
  }

  private func decoded(_ outcome: Outcome) throws -> Report {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Report.self, from: Data(outcome.output.utf8))
  }

  /// Without being asked for; each against the peak of what it is computed in.
  @Test func everyKindIsReported() throws {
    let outcome = try bench("unet", "--precision", "int8", "--json")
    #expect(outcome.output.split(separator: "\n").count == 1)
    let report = try decoded(outcome)
    let runs = report.seconds.all
    #expect(runs.count == 2 && report.seconds.min == runs.min())
    #expect(abs(report.seconds.median - runs.reduce(0, +) / 2) < 1e-9)
    #expect(Set(report.kinds.map(\.kind)) == Self.kinds && report.kinds.count == Self.kinds.count)
    #expect(report.layers == nil && report.peakShare > 0 && report.peakRssBytes > 0)
    #expect(report["linear"]?.peak == "int8")
    #expect(report["convolution"]?.peak == "int8")
    #expect(report["convolution"]?.counted == "direct" && report["linear"]?.counted == nil)
    #expect(report["attention"]?.peak == "int8")
    #expect(report.kinds.allSatisfy { $0.seconds > 0 && $0.calls > 0 })
    for kind in ["linear", "convolution", "attention"] {
      let row = try #require(report[kind])
      let (rate, share, peak) = (
        try #require(row.gflops), try #require(row.peakShare), try #require(row.peak)
      )
      #expect(abs(share - rate / (report.peakGflops[peak] ?? 0)) < 1e-6 * share)
    }
    for kind in ["normalization", "elementwise"] {
      #expect(report[kind]?.gflops == nil && report[kind]?.peakShare == nil && report[kind]?.peak == nil)
    }
  }

  /// Without guidance a call has one row instead of two, so half of the operations.
  @Test func aCallWithoutGuidanceHasOneRow() throws {
    let operations = try ["7.5", "1"].map { guidance in
      let report = try decoded(try bench("unet", "--guidance", guidance, "--json"))
      return report.gflops * report.seconds.median
    }
    #expect(abs(operations[0] / operations[1] - 2) < 0.01, "\(operations)")
    let wrong = try run(["bench", "unet", Self.model, "--guidance=-1"])
    #expect(wrong.code == 64 && wrong.errors.contains("--guidance -1.0 is out of range"), "\(wrong)")
  }

  /// Of a render in int8 the decoder's convolutions are in single precision all the same, but in bf16 on AMX's tiles.
  @Test func layersAddUpToKinds() throws {
    let report = try decoded(try bench("render", "--precision", "int8", "--profile", "--json"))
    #expect(report["convolution"]?.peak == (report.instructions == "amx" ? "bf16+int8" : "f32+int8"))
    let layers = try #require(report.layers)
    for kind in report.kinds {
      let rows = layers.filter { $0.kind == kind.kind }
      #expect(rows.reduce(0) { $0 + $1.calls } == kind.calls)
      #expect(abs(rows.reduce(0) { $0 + $1.seconds } - kind.seconds) < 1e-6)
    }
  }

  /// The VAE in int8 is in bf16, and its convolutions are in f32 where Winograd's algorithm is the faster way.
  @Test func tablesNameTheirPeaks() throws {
    let lines = try bench("vae", "--precision", "int8").output.split(separator: "\n")
    for kind in Self.kinds { #expect(lines.filter { $0.hasPrefix(kind + " ") }.count == 1) }
    #expect(lines.first { $0.hasPrefix("linear ") }?.hasSuffix(" bf16") == true)
    let arithmetic = lines.contains { $0.contains(" on amx,") } ? " bf16" : " f32"
    #expect(lines.first { $0.hasPrefix("convolution ") }?.hasSuffix(arithmetic) == true)
    #expect(lines.contains { $0.contains("counted as of direct ones") })
  }

  @Test(arguments: ["AVX2", "bogus", "avx512foo", ""]) func unknownInstructions(name: String) throws {
    let commands = ["segmoe": ["inspect", Self.model], "segmoed": ["check-config", "/nonexistent"]]
    for (program, arguments) in commands {
      let outcome = try run(arguments, program: program, instructions: name)
      #expect(outcome.code == 64 && outcome.output == "", "\(outcome)")
      #expect(outcome.errors.hasPrefix("\(program): ") && outcome.errors.filter { $0 == "\n" }.count == 1)
      for word in [
        "SEGMOE_ISA", "'\(name)'",
        "scalar, avx2, avx512, avx512vnni, avx512bf16, amx, neon, neondot, neonbf16",
      ] {
        #expect(outcome.errors.contains(word), "\(outcome.errors)")
      }
    }
    #expect(try run(["--help"], instructions: name).code == 0)
  }

  /// What the processor lacks is told of, and the best that it has is used.
  @Test(arguments: ["scalar", "avx2", "avx512", "avx512vnni", "avx512bf16", "amx", "neon", "neondot"])
  func knownInstructions(name: String) throws {
    let outcome = try run(["inspect", Self.model, "--json"], instructions: name)
    #expect(outcome.code == 0)
    let used = try #require(try outcome.object()["instructions"] as? String)
    if used == name {
      #expect(outcome.errors == "")
    } else {
      #expect(outcome.errors.hasPrefix("segmoe: SEGMOE_ISA asks for \(name)"), "\(outcome.errors)")
      #expect(outcome.errors.hasSuffix("\(used) is used\n"), "\(outcome.errors)")
    }
  }

  private struct Plan: Decodable {
    let threads: Int
    let counts: [Count]
    let layers: [Layer]
    let sideBySide: [Jobs]

    struct Count: Decodable {
      let threads: Int
      let seconds: Double
      let efficiency: Double
    }

    struct Layer: Decodable {
      let layer: String
      let tasks: Int
      let efficiency: Double
      let waiting: Double
      let between: Double
    }

    struct Jobs: Decodable {
      let jobs: Int
      let threadsEach: Int
      let runsPerSecond: Double
    }
  }

  /// More threads never take longer, and never do more than all of the work.
  @Test func aPlanSaysWhatThreadsCanReach() throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let outcome = try bench("unet", "--plan", "--threads", "6", "--json")
    let plan = try decoder.decode(Plan.self, from: Data(outcome.output.utf8))
    #expect(plan.threads == 6 && plan.counts.map(\.threads) == [1, 2, 4, 6])
    #expect(plan.counts.allSatisfy { $0.efficiency > 0 && $0.efficiency <= 1 })
    // Tasks are cut for six threads, so four may end less evenly than six.
    #expect(plan.counts.map(\.efficiency).max() == plan.counts[0].efficiency)
    #expect(plan.counts.map(\.seconds) == plan.counts.map(\.seconds).sorted(by: >))
    #expect(plan.sideBySide.map(\.jobs) == [1, 2, 3, 6])
    #expect(plan.sideBySide.allSatisfy { $0.jobs * $0.threadsEach == 6 && $0.runsPerSecond > 0 })
    #expect(plan.layers.allSatisfy { !$0.layer.isEmpty && $0.tasks > 0 })
    // All of a layer's time is one of the three.
    #expect(plan.layers.allSatisfy { abs($0.efficiency + $0.waiting + $0.between - 1) < 1e-6 })
    let text = try bench("unet", "--plan", "--threads", "6").output
    #expect(text.contains("What loses most with 6 threads") && text.contains("side by side on 6 threads"))
  }
}
