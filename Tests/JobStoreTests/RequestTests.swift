import JobStore
import Testing

@Suite struct RequestTests {
  private static func plain(_ change: (inout JobRequest) -> Void) -> JobRequest {
    var request = JobRequest(prompt: "a cat", settings: RenderSettings(model: "demo"))
    change(&request)
    return request
  }

  @Test func defaultsAreValid() throws {
    try Self.plain { _ in }.validate()
    try Self.plain { $0.prompt = "" }.validate()
  }

  static let wrong: [(String, JobRequest)] = [
    ("width", plain { $0.settings.width = 100 }),
    ("width", plain { $0.settings.width = 0 }),
    ("height", plain { $0.settings.height = -8 }),
    ("height", plain { $0.settings.height = 1 << 20 }),
    ("steps", plain { $0.settings.steps = 0 }),
    ("steps", plain { $0.settings.steps = .max }),
    ("count", plain { $0.settings.count = 0 }),
    ("guidance", plain { $0.settings.guidance = .nan }),
    ("guidance", plain { $0.settings.guidance = .infinity }),
    ("seed", plain { $0.settings.seed = -1 }),
    ("seed", plain { $0.settings.seed = .max }),
    ("strength", plain { $0.settings.strength = 0.5 }),
    (
      "strength",
      plain {
        $0.settings.initImage = "/a.png"; $0.settings.strength = 1.1
      }
    ),
    ("mask", plain { $0.settings.mask = "/m.png" }),
    ("model", plain { $0.settings.model = "" }),
    ("lora", plain { $0.settings.loras = [LoRAReference(path: "")] }),
    ("weight of lora /l", plain { $0.settings.loras = [LoRAReference(path: "/l", weight: .infinity)] }),
    ("original_size", plain { $0.settings.framing.originalSize = PixelDimensions(width: 0, height: 8) }),
    ("crop", plain { $0.settings.framing.crop = PixelOffset(x: .min, y: 0) }),
    ("target_size", plain { $0.settings.framing.targetSize = PixelDimensions(width: 8, height: 1 << 40) }),
    ("memory_budget", plain { $0.settings.memoryBudget = 0 }),
    ("prompt", plain { $0.prompt = "zero\0byte" }),
    ("prompt", plain { $0.prompt = String(repeating: "x", count: 70_000) }),
    ("priority", plain { $0.priority = .min }),
    ("max_attempts", plain { $0.maxAttempts = 0 }),
  ]

  @Test(arguments: wrong)
  func everyFieldIsChecked(field: String, request: JobRequest) {
    guard case .invalidSetting(let name, _, let rule) = storeError({ try request.validate() }) else {
      Issue.record("another error")
      return
    }
    #expect(name == field)
    #expect(!rule.isEmpty)
  }

  @Test func sizesAndPlacesAreTheirText() {
    #expect(PixelDimensions("1024X768") == PixelDimensions(width: 1024, height: 768))
    #expect(PixelOffset("-8,64") == PixelOffset(x: -8, y: 64))
    #expect("\(PixelDimensions(width: 3, height: 4)) \(PixelOffset(x: 0, y: -1))" == "3x4 0,-1")
    for text in [
      "", "x", "1024", "1024x", "1x2x3", "0x8", "8x1000001", "1 x 2", "-1x8", "99999999999999999999x1",
    ] {
      #expect(PixelDimensions(text) == nil, "\(text)")
    }
    for text in ["", ",", "1", "1,2,3", "1x2", "0,1000001", "a,b"] {
      #expect(PixelOffset(text) == nil, "\(text)")
    }
  }

  @Test func limitsCanBeTighter() {
    var limits = RenderLimits()
    limits.steps = 10
    #expect(throws: JobStoreError.self) { try Self.plain { _ in }.validate(limits: limits) }
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
