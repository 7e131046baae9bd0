import GRDB
import JobStore
import Requests
import TestSupport
import Testing

/// A daemon keeps the index of prompts of a large queue.
@Suite struct PromptIndexerTests {
  @Test func aDaemonFillsTheIndex() throws {
    let house = try DaemonHouse()
    try house.client.setPaused(true)
    var left = 6000
    _ = try house.client.enqueue(BatchRequest()) {
      left -= 1
      return left < 0 ? nil : JobRequest(RenderRequest(model: "tiny", prompt: "a red fox, number \(left)"))
    }
    let daemon = try RealDaemon(house)
    let isFull = "SELECT up_to > 6000 - \(WorkerSession.promptIndexLag) FROM prompt_index"
    try house.wait { try house.sqlite().read { try Bool.fetchOne($0, sql: isFull) } == true }
    var filter = JobFilter()
    filter.prompt = "number 5999"
    #expect(try house.client.list(filter).map(\.id) == [1])
    #expect(daemon.stop() == 0)
    // What a stopped daemon leaves is no other.
    #expect(try house.client.list(filter).map(\.id) == [1])
  }
}
