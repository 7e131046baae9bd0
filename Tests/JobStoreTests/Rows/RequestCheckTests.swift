import JobStore
import Requests
import TestSupport
import Testing

/// A batch is checked as if each of its requests stood alone.
@Suite struct RequestCheckTests {
  private static let right: JobRequest = {
    var render = RenderRequest(model: "demo", prompt: "a fox")
    render.seed = 7
    return JobRequest(render)
  }()

  /// What is wrong with one request, each in a field of its own.
  private static let wrong: [@Sendable (inout JobRequest) -> Void] = [
    { $0.render.prompt = String(repeating: "a", count: 1 << 21) },
    { $0.render.negativePrompt = String(repeating: "a", count: 1 << 21) },
    { $0.render.steps = 0 },
    { $0.render.width = 7 },
    { ($0.render.guidanceFrom, $0.render.guidanceUntil) = (0.75, 0.25) },
    { $0.render.strength = 0.5 },
    { $0.priority = 2_000_000 },
    { $0.maxAttempts = 0 },
  ]

  @Test(arguments: wrong.indices)
  func whatIsWrongIsSeenBetweenRightOnes(index: Int) throws {
    var check = RequestCheck()
    var other = Self.right
    (other.render.prompt, other.render.seed) = ("a bear", 8)
    try check.check(Self.right)
    try check.check(other)
    var request = other
    Self.wrong[index](&request)
    // Twice: what was refused counts as nothing for the next.
    for _ in 0..<2 {
      let (alone, after) = (
        #expect(throws: RequestError.self) { try request.validate() },
        #expect(throws: RequestError.self) { try check.check(request) }
      )
      #expect(alone.map { "\($0)" } == after.map { "\($0)" })
    }
    try check.check(other)
  }

  @Test func settingsMayChange() throws {
    var check = RequestCheck()
    var request = Self.right
    for steps in [25, 10, 25] {
      request.render.steps = steps
      try check.check(request)
    }
  }
}
