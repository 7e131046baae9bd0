import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of the requests of a batch: they come back as they were sent.
@Suite struct EnqueueConformanceTests {
  private static let prompts = [
    "a red fox", "", "\\N", "a\tb\\t", "two\nlines\r\n", "\\.", "émile 🦊", "'quoted' \"twice\"", "{a,b}",
  ]

  /// Neighbours that differ in the prompt alone, in the seed, in something else, and not at all.
  @Test(arguments: StoreKind.here)
  func eachRequestComesBackAsItWas(kind: StoreKind) throws {
    let store = try TestStore(kind)
    var sent: [JobRequest] = []
    for (index, prompt) in Self.prompts.enumerated() {
      for seed in [0, 1 << 63, UInt64.max - UInt64(index)] {
        var next = request(prompt)
        next.render.seed = seed
        sent.append(next)
      }
      var other = request(prompt)
      other.render.negativePrompt = index.isMultiple(of: 2) ? nil : "\\N\tblurred"
      other.render.steps = 10 + index
      other.priority = index % 3 - 1
      other.runAfter = index == 4 ? 4_000_000_000_000 : nil
      other.maxAttempts = 1 + index
      sent += [other, other]
    }
    let batch = try store.client.enqueue(BatchRequest(), sent)
    #expect(batch.jobs.count == sent.count)
    for (job, wanted) in zip(batch.jobs, sent) {
      #expect(try store.client.details(job: job).job.request == wanted)
    }
    #expect(try store.client.status().counts.queued == sent.count)
  }

  /// A wrong one among many that are alike refuses them all.
  @Test(arguments: StoreKind.here, ["a\0b", String(repeating: "x", count: 2_000_000)])
  func aWrongPromptAmongRightOnes(kind: StoreKind, prompt: String) throws {
    let store = try TestStore(kind)
    let requests = (0..<5).map { request($0 == 3 ? prompt : "p\($0)") }
    #expect(throws: (any Error).self) { try store.client.enqueue(BatchRequest(), requests) }
    #expect(try store.client.status().counts.total == 0)
  }
}
