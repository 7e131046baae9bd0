import JobStore
import Requests
import Testing

@Suite struct JobRequestTests {
  private static func plain(_ change: (inout JobRequest) -> Void) -> JobRequest {
    var request = JobRequest(RenderRequest(model: "demo", prompt: "a cat"))
    change(&request)
    return request
  }

  @Test func defaultsAreValid() throws {
    try Self.plain { _ in }.validate()
  }

  static let wrong: [(String, JobRequest)] = [
    ("priority", plain { $0.priority = .min }), ("priority", plain { $0.priority = 1_000_001 }),
    ("max_attempts", plain { $0.maxAttempts = 0 }), ("max_attempts", plain { $0.maxAttempts = 101 }),
    // What is rendered is checked as well.
    ("steps", plain { $0.render.steps = 0 }),
  ]

  @Test(arguments: wrong)
  func everyFieldIsChecked(field: String, request: JobRequest) {
    var thrown: RequestError?
    do {
      try request.validate()
    } catch let error as RequestError {
      thrown = error
    } catch {
      Issue.record(error)
    }
    guard case .invalid(let name, _, let rule)? = thrown else {
      Issue.record("another error: \(String(describing: thrown))")
      return
    }
    #expect(name == field)
    #expect(!rule.isEmpty)
  }
}
