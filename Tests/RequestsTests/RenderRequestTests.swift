import Foundation
import Requests
import Testing

@Suite struct RenderRequestTests {
  private static func plain(_ change: (inout RenderRequest) -> Void) -> RenderRequest {
    var request = RenderRequest(model: "demo", prompt: "a cat")
    change(&request)
    return request
  }

  @Test func defaultsAreValid() throws {
    try Self.plain { _ in }.validate()
    try Self.plain { $0.prompt = "" }.validate()
  }

  static let wrong: [(String, RenderRequest)] = [
    ("width", plain { $0.width = 100 }),
    ("width", plain { $0.width = 20_000 }),
    ("width", plain { $0.width = 0 }),
    ("height", plain { $0.height = -8 }),
    ("height", plain { $0.height = 1 << 20 }),
    ("steps", plain { $0.steps = 0 }),
    ("steps", plain { $0.steps = .max }),
    ("count", plain { $0.count = 0 }),
    ("guidance", plain { $0.guidance = .nan }),
    ("guidance", plain { $0.guidance = .infinity }),
    ("strength", plain { $0.strength = 0.5 }),
    (
      "strength",
      plain {
        $0.initImage = "/a.png"; $0.strength = 1.1
      }
    ),
    ("mask", plain { $0.mask = "/m.png" }),
    ("model", plain { $0.model = "" }),
    ("lora", plain { $0.loras = [LoRAReference(path: "")] }),
    ("weight of lora /l", plain { $0.loras = [LoRAReference(path: "/l", weight: .infinity)] }),
    ("original_size", plain { $0.originalSize = PixelSize(width: 0, height: 8) }),
    ("crop", plain { $0.crop = PixelPoint(x: .min, y: 0) }),
    ("target_size", plain { $0.targetSize = PixelSize(width: 8, height: 1 << 40) }),
    (
      "strength",
      plain {
        $0.initImage = "/a.png"; $0.strength = 0
      }
    ),
    (
      "strength",
      plain {
        $0.initImage = "/a.png"; $0.strength = 0.1; $0.steps = 4
      }
    ),
    ("deep_cache", plain { $0.deepCache = DeepCache(interval: 0) }),
    ("deep_cache", plain { $0.deepCache = DeepCache(interval: 2, branch: 48) }),
    ("token_merging", plain { $0.tokenMerging = TokenMerging(ratio: -0.1) }),
    ("token_merging", plain { $0.tokenMerging = TokenMerging(ratio: .nan) }),
    ("token_merging", plain { $0.tokenMerging = TokenMerging(ratio: 0.5, downsample: 3) }),
    ("prompt", plain { $0.prompt = "zero\0byte" }),
    ("prompt", plain { $0.prompt = String(repeating: "x", count: 70_000) }),
  ]

  @Test(arguments: wrong)
  func everyFieldIsChecked(field: String, request: RenderRequest) {
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

  @Test func whatIsLeftOutIsItsText() {
    #expect(DeepCache(text: "3") == DeepCache(interval: 3) && DeepCache(text: "3:0")?.text == "3")
    #expect(DeepCache(text: "3:4") == DeepCache(interval: 3, branch: 4))
    #expect(DeepCache(interval: 3, branch: 4).text == "3:4")
    #expect(
      TokenMerging(text: "0.50") == TokenMerging(ratio: 0.5) && TokenMerging(text: "0.5:1")?.text == "0.5")
    #expect(TokenMerging(ratio: 0.25, downsample: 8).text == "0.25:8")
    for text in ["", ":", "3:", ":3", "3:1:1", "3 :1", "99999999999999999999", "0.5"] {
      #expect(DeepCache(text: text) == nil, "\(text)")
    }
    for text in ["", ":", "0.5:", ":2", "0.5:2:2", "0,5", "0.5:2.0"] {
      #expect(TokenMerging(text: text) == nil, "\(text)")
    }
  }

  /// JSON has a text, or a number where that says it all.
  @Test func whatIsLeftOutInJSON() throws {
    func read<Value: Decodable>(_ json: String) throws -> Value {
      try JSONDecoder().decode(Value.self, from: Data(json.utf8))
    }
    #expect(try read("3") == DeepCache(interval: 3) && read("\"3:1\"") == DeepCache(interval: 3, branch: 1))
    #expect(try read("0.5") == TokenMerging(ratio: 0.5))
    #expect(try read("\"0.5:2\"") == TokenMerging(ratio: 0.5, downsample: 2))
    for json in ["2.5", "true", "[2]", "\"x\"", "{}"] {
      #expect(throws: DecodingError.self) { let _: DeepCache = try read(json) }
    }
    let written = try JSONEncoder().encode([DeepCache(interval: 3), DeepCache(interval: 3, branch: 1)])
    #expect(String(decoding: written, as: UTF8.self) == "[\"3\",\"3:1\"]")
  }

  private static func idle(
    with model: ModelTraits, change: (inout RenderRequest) -> Void
  ) -> [String] {
    plain(change).idleSettings(with: model).map(\.setting)
  }

  /// SDXL attends at half of the full size at most, unless the model says otherwise.
  @Test func mergingNothingIsSaid() {
    func idle(_ downsample: Int, _ model: ModelTraits) -> Bool {
      Self.idle(with: model) { $0.tokenMerging = TokenMerging(ratio: 0.5, downsample: downsample) }
        == ["token_merging"]
    }
    #expect(idle(1, ModelTraits(isXL: true)) && !idle(2, ModelTraits(isXL: true)))
    #expect(!idle(1, ModelTraits(isXL: false)) && !idle(1, ModelTraits()))
    #expect(!idle(1, ModelTraits(isXL: true, attentionShrinks: 1)))
    #expect(idle(2, ModelTraits(isXL: false, attentionShrinks: 4)))
    #expect(!idle(4, ModelTraits(isXL: false, attentionShrinks: 4)))
    #expect(idle(8, ModelTraits(isXL: false, attentionShrinks: 16)))
    let said = Self.plain { $0.tokenMerging = TokenMerging(ratio: 0.5) }
      .idleSettings(with: ModelTraits(attentionShrinks: 4)).map(\.notice)
    #expect(
      said == [
        "token merging has no effect: the model has attention at 1/4 of the size at most; add :4"
      ])
  }

  /// Of one call of the UNet, DeepCache leaves nothing out.
  @Test func cachingOneCallIsSaid() {
    func idle(_ change: (inout RenderRequest) -> Void) -> Bool {
      Self.idle(with: ModelTraits()) {
        $0.deepCache = DeepCache(interval: 3)
        change(&$0)
      } == ["deep_cache"]
    }
    #expect(idle { $0.steps = 1 } && !idle { $0.steps = 2 })
    #expect(!idle { ($0.steps, $0.deepCache) = (1, DeepCache(interval: 1)) })
    #expect(
      idle {
        ($0.steps, $0.initImage, $0.strength, $0.scheduler) = (4, "/a.png", 0.3, .heun)
      })
    #expect(
      !idle {
        ($0.steps, $0.initImage, $0.strength, $0.scheduler) = (4, "/a.png", 0.5, .heun)
      })
    // PNDM takes its first step twice.
    for scheduler in [SchedulerName.pndm, nil] {
      #expect(
        !idle {
          ($0.steps, $0.initImage, $0.strength, $0.scheduler) = (4, "/a.png", 0.3, scheduler)
        })
    }
  }

  /// A consistency model has no row without the prompt, whatever the guidance.
  @Test func guidanceAsAnInputIsSaid() {
    func idle(_ takesGuidance: Bool?) -> [String] {
      Self.idle(with: ModelTraits(takesGuidance: takesGuidance)) {
        ($0.guidance, $0.negativePrompt, $0.guidanceRescale) = (8, "blurry", 0.7)
        ($0.guidanceFrom, $0.guidanceUntil) = (0.2, 0.8)
      }
    }
    #expect(idle(true) == ["negative_prompt", "guidance_rescale", "guidance_from", "guidance_until"])
    #expect(idle(false).isEmpty && idle(nil).isEmpty)
  }

  /// Who does as the message says is not refused again.
  @Test func theStrengthThatIsNamedIsEnough() throws {
    for steps in 1...1000 {
      var request = Self.plain { ($0.steps, $0.initImage, $0.strength) = (steps, "/a.png", 0.0001) }
      var rule = ""
      do {
        try request.validate()
      } catch RequestError.invalid(_, _, let text) {
        rule = text
      }
      let words = rule.split(separator: " ")
      request.strength = words.count > 3 ? Double(words[3]) : nil
      try #require(request.strength != nil, "\(steps): \(rule)")
      #expect(throws: Never.self, "\(steps): \(rule)") { try request.validate() }
    }
  }

  private func isRight(_ size: PixelSize) -> Bool {
    (try? Self.plain { $0.originalSize = size }.validate()) != nil
  }

  private func isRight(_ point: PixelPoint) -> Bool {
    (try? Self.plain { $0.crop = point }.validate()) != nil
  }

  @Test func limitsCanBeTighter() {
    var limits = RenderLimits()
    limits.steps = 10
    #expect(throws: RequestError.self) { try Self.plain { _ in }.validate(limits: limits) }
  }
}
