import Foundation
import TestSupport
import Testing
import WeightCache

/// How far the cache is from the optimum on renders that were recorded (`segmoe render … --trace`): of models of
/// real size and of the demo model, with prompts, sizes, methods and precisions of all kinds.
@Suite struct RecordedTraceTests {
  /// A trace without what can be said more shortly.
  private struct Recorded: Decodable {
    struct Phase: Decodable {
      /// 0 outside of steps.
      let step: Int
      let uses: [Int]
    }

    let parts: [String]
    let bytes: [Int]
    let phases: [Phase]

    var trace: CacheTrace {
      CacheTrace(
        uses: phases.flatMap { phase in
          phase.uses.map {
            CacheTrace.Use(part: parts[$0], bytes: bytes[$0], step: phase.step == 0 ? nil : phase.step)
          }
        })
    }
  }

  private static let all: [String: Recorded] = {
    let file = URL(fileURLWithPath: Places.golden("traces.json"))
    return (try? JSONDecoder().decode([String: Recorded].self, from: Data(contentsOf: file))) ?? [:]
  }()

  @Test func tracesAreThere() { #expect(Self.all.count >= 5) }

  @Test(arguments: all.keys.sorted(), [0.25, 0.5, 0.75, 0.9])
  func withinFivePoints(name: String, share: Double) throws {
    let trace = try #require(Self.all[name]).trace
    let replay = CacheReplay(trace)
    let budget = Int(Double(replay.workingSet) * share)
    let (best, ours) = (replay.optimum(budget: budget), replay.run(.nextUse, budget: budget))
    #expect(best.byteRate - ours.byteRate < 0.05, "bytes: \(ours.byteRate) of \(best.byteRate)")
    #expect(best.hitRate - ours.hitRate < 0.05, "uses: \(ours.hitRate) of \(best.hitRate)")
    #expect(ours.hits + ours.misses == best.hits + best.misses)
    // What has to be read is never less than what the optimum reads, but for parts of unequal sizes.
    #expect(Double(ours.bytesRead) > 0.97 * Double(best.bytesRead))
    // Where all of a step fits, least recently used does as well.
    let steps = Dictionary(grouping: trace.uses.filter { $0.step != nil }, by: \.step)
    let largestStep = steps.values.map { CacheReplay(CacheTrace(uses: $0)).workingSet }.max() ?? 0
    if share < 0.8, budget < largestStep {
      #expect(best.byteRate - replay.run(.lru, budget: budget).byteRate > 0.2)
    }
  }
}
