import Foundation
import TestSupport

/// Runs a reader on inputs made at random: so many in the tests, for a while in `make fuzz`.
///
/// Case n of seed s is the same every time. Environment:
/// - `SEGMOE_FUZZ_SECONDS`: how long; without it the number of cases that the test asks for.
/// - `SEGMOE_FUZZ_SEED`: another seed than 2026.
/// - `SEGMOE_FUZZ_FOLDER`: where each run notes the case at work, so that a crash leaves its number behind.
/// - `SEGMOE_FUZZ_CASE`: this case alone.
package struct FuzzRun {
  /// A case that took longer would be a hang for whoever waits.
  private static let slowestAllowed = 5.0

  /// Bytes that the whole process may have had in memory when it did nothing but fuzz: its own, and for the
  /// largest input, a tokenizer of two megabytes, many times that.
  private static let mostMemoryAllowed = 256 << 20

  /// Whether no case took too long, or memory beyond the size of its input and a constant. Where other tests run in the
  /// process, on a busy machine, neither means anything.
  package var isBounded: Bool {
    guard let mostMemory else { return true }
    return slowest < Self.slowestAllowed && mostMemory < Self.mostMemoryAllowed
  }

  /// The most bytes that the process had in memory; nil where other tests run in it.
  package private(set) var mostMemory: Int?
  /// Cases done.
  package private(set) var cases = 0
  /// Seconds of the slowest case.
  package private(set) var slowest = 0.0

  /// Runs `body` with the number of the case and its own random numbers; what it throws ends the run.
  package init(_ name: String, cases wanted: Int, _ body: (Int, inout RandomNumbers) throws -> Void) rethrows
  {
    let environment = ProcessInfo.processInfo.environment
    let seed = environment["SEGMOE_FUZZ_SEED"].flatMap { UInt64($0) } ?? 2026
    let seconds = environment["SEGMOE_FUZZ_SECONDS"].flatMap { Double($0) }
    let only = environment["SEGMOE_FUZZ_CASE"].flatMap { Int($0) }
    let note = environment["SEGMOE_FUZZ_FOLDER"].flatMap {
      open($0 + "/" + name, O_CREAT | O_WRONLY | O_TRUNC, 0o644)
    }
    defer { if let note { close(note) } }
    let begun = Self.now
    var number = only ?? 0
    repeat {
      if let note {
        let text = "seed \(seed) case \(number)            \n"
        _ = text.withCString { pwrite(note, $0, strlen($0), 0) }
      }
      let started = Self.now
      var numbers = RandomNumbers(seed: seed, case: number)
      try body(number, &numbers)
      slowest = max(slowest, Self.now - started)
      cases += 1
      number += 1
    } while only == nil && (seconds.map { Self.now - begun < $0 } ?? (cases < wanted))
    guard seconds != nil else { return }
    let peak = Self.peakOfProcess
    mostMemory = peak
    let rate = Double(cases) / max(Self.now - begun, 1e-9)
    print(
      "fuzz \(name): \(cases) cases, \(Int(rate)) a second, slowest \(String(format: "%.3f", slowest)) s, process at most \(peak >> 20) MiB, seed \(seed)"
    )
  }

  private static var peakOfProcess: Int {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }

  private static var now: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
}
