import JobStore
import Requests
import Testing

@Suite struct RequestTests {
  private static func plain(_ change: (inout JobRequest) -> Void) -> JobRequest {
    var request = JobRequest(RenderRequest(model: "demo", prompt: "a cat"))
    change(&request)
    return request
  }

  @Test func defaultsAreValid() throws {
    try Self.plain { _ in }.validate()
    try Self.plain { $0.render.prompt = "" }.validate()
  }

  static let wrong: [(String, JobRequest)] = [
    ("width", plain { $0.render.width = 100 }),
    ("width", plain { $0.render.width = 20_000 }),
    ("width", plain { $0.render.width = 0 }),
    ("height", plain { $0.render.height = -8 }),
    ("height", plain { $0.render.height = 1 << 20 }),
    ("steps", plain { $0.render.steps = 0 }),
    ("steps", plain { $0.render.steps = .max }),
    ("count", plain { $0.render.count = 0 }),
    ("guidance", plain { $0.render.guidance = .nan }),
    ("guidance", plain { $0.render.guidance = .infinity }),
    ("strength", plain { $0.render.strength = 0.5 }),
    (
      "strength",
      plain {
        $0.render.initImage = "/a.png"; $0.render.strength = 1.1
      }
    ),
    ("mask", plain { $0.render.mask = "/m.png" }),
    ("model", plain { $0.render.model = "" }),
    ("lora", plain { $0.render.loras = [LoRAReference(path: "")] }),
    ("weight of lora /l", plain { $0.render.loras = [LoRAReference(path: "/l", weight: .infinity)] }),
    ("original_size", plain { $0.render.originalSize = PixelSize(width: 0, height: 8) }),
    ("crop", plain { $0.render.crop = PixelPoint(x: .min, y: 0) }),
    ("target_size", plain { $0.render.targetSize = PixelSize(width: 8, height: 1 << 40) }),
    (
      "strength",
      plain {
        $0.render.initImage = "/a.png"; $0.render.strength = 0
      }
    ),
    (
      "strength",
      plain {
        $0.render.initImage = "/a.png"; $0.render.strength = 0.1; $0.render.steps = 4
      }
    ),
    ("prompt", plain { $0.render.prompt = "zero\0byte" }),
    ("prompt", plain { $0.render.prompt = String(repeating: "x", count: 70_000) }),
    ("priority", plain { $0.priority = .min }),
    ("max_attempts", plain { $0.maxAttempts = 0 }),
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

  @Test func sizesAndPlacesAreTheirText() {
    #expect(PixelSize(text: "1024X768") == PixelSize(width: 1024, height: 768))
    #expect(PixelPoint(text: "-8,64") == PixelPoint(x: -8, y: 64))
    #expect("\(PixelSize(width: 3, height: 4).text) \(PixelPoint(x: 0, y: -1).text)" == "3x4 0,-1")
    for text in [
      "", "x", "1024", "1024x", "1x2x3", "0x8", "8x1000001", "1 x 2", "-1x8", "99999999999999999999x1",
    ] {
      #expect(PixelSize(text: text).map { !isRight($0) } ?? true, "\(text)")
    }
    for text in ["", ",", "1", "1,2,3", "1x2", "0,1000001", "a,b"] {
      #expect(PixelPoint(text: text).map { !isRight($0) } ?? true, "\(text)")
    }
  }

  private func isRight(_ size: PixelSize) -> Bool {
    (try? Self.plain { $0.render.originalSize = size }.validate()) != nil
  }

  private func isRight(_ point: PixelPoint) -> Bool {
    (try? Self.plain { $0.render.crop = point }.validate()) != nil
  }

  @Test func limitsCanBeTighter() {
    var limits = RenderLimits()
    limits.steps = 10
    #expect(throws: RequestError.self) { try Self.plain { _ in }.validate(limits: limits) }
  }

  @Test func backoffDoublesUpToItsCeilingAndHalfIsChance() {
    let backoff = Backoff()
    #expect(backoff.pause(afterAttempts: 1, chance: 0) == 2_500)
    #expect(backoff.pause(afterAttempts: 1, chance: 1) == 5_000)
    #expect(backoff.pause(afterAttempts: 3, chance: 1) == 20_000)
    #expect(backoff.pause(afterAttempts: .max, chance: 1) == 600_000)
    #expect(backoff.pause(afterAttempts: .min, chance: 1) == 5_000)
  }
}
