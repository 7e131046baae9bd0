import Checkpoints
import Foundation
import Hub
import Synchronization
import Testing

/// The four example recipes of the SegMoE repository, in their shapes, merged by the built program from a hub.
@Suite(.serialized)
struct RecipeMergeTests {
  private static let long = """
    (deformed iris, deformed pupils, semi-realistic, cgi, 3d, render, sketch, cartoon, drawing, anime), text, cropped, \
    out of frame, worst quality, low quality, jpeg artifacts, [ugly], (watermark, signature, text font:1.2), \
    (((blurry))), dehydrated, bad anatomy, bad proportions, extra limbs, cloned face, disfigured, gross proportions,
    """

  /// A recipe, with its sources in the order in which they are needed.
  struct Example: Sendable, CustomStringConvertible {
    let name: String
    let isXL: Bool
    let text: String
    let sources: [String]
    let experts: Int
    let perToken: Int

    var description: String { name }
  }

  static let examples = [
    // Two experts with cards in quotes and blanks behind them; no type, which means SDXL.
    Example(
      name: "2x1", isXL: true,
      text: """
        base_model: "stablediffusionapi/sdxxxl-v30-jan24 "
        num_experts: 2
        moe_layers: all
        num_experts_per_tok: 1
        experts:
          - source_model: "stablediffusionapi/sdxxxl-v30-jan24"
            positive_prompt: "aesthetic, cinematic, hands, portrait, photo, illustration, 8K, (hyperdetailed:1.2)"
            negative_prompt: "\(long)"
          - source_model: "frankjoshua/juggernautXL_v8Rundiffusion  "
            positive_prompt: "origami, man, woman, supercar"
            negative_prompt: "(worst quality, low quality, normal quality, lowres, bad photo:1.4)"
        """,
      sources: ["stablediffusionapi/sdxxxl-v30-jan24", "frankjoshua/juggernautXL_v8Rundiffusion"], experts: 2,
      perToken: 1),
    Example(
      name: "4x2", isXL: true,
      text: """
        base_model: SG161222/RealVisXL_V3.0
        num_experts: 4
        moe_layers: all
        num_experts_per_tok: 2
        experts:
          - source_model: frankjoshua/juggernautXL_v8Rundiffusion
            positive_prompt: "aesthetic, cinematic, hands, portrait"
            negative_prompt: "\(long)"
          - source_model: SG161222/RealVisXL_V3.0
            positive_prompt: "cinematic, portrait, photograph, instagram, (fashion), movie, macro shot, 8K, RAW"
            negative_prompt: "(octane render, render, drawing, anime, bad photo, bad photography:1.3)"
          - source_model: albedobond/albedobase-xl-v1.3
            positive_prompt: "minimalist, illustration, award winning art, painting, impressionist, [sketch]"
            negative_prompt: "ugly, deformed, noisy, blurry, low contrast"
          - source_model: cagliostrolab/animagine-xl-3.0
            positive_prompt: "photograph f/1.4, ISO 200, 1/160s, 8K, RAW, unedited, symmetrical balance"
            negative_prompt: "nsfw, lowres, (bad), text, error, fewer, extra, missing, worst quality"
        """,
      sources: [
        "SG161222/RealVisXL_V3.0", "frankjoshua/juggernautXL_v8Rundiffusion", "albedobond/albedobase-xl-v1.3",
        "cagliostrolab/animagine-xl-3.0",
      ], experts: 4, perToken: 2),
    Example(
      name: "sd", isXL: false,
      text: """
        base_model: SG161222/Realistic_Vision_V6.0_B1_noVAE
        num_experts: 4
        moe_layers: all
        num_experts_per_tok: 2
        type: sd
        experts:
          - source_model: SG161222/Realistic_Vision_V6.0_B1_noVAE
            positive_prompt: "cinematic, portrait, photograph, instagram, fashion, movie, macro shot, 8K, RAW"
            negative_prompt: "\(long)"
          - source_model: dreamlike-art/dreamlike-anime-1.0
            positive_prompt: "photo anime, masterpiece, high quality, absurdres, 1girl, 1boy, waifu, chibi"
            negative_prompt: "simple background, duplicate, retro style, low quality, lowest quality, 1980s"
          - source_model: Lykon/dreamshaper-8
            positive_prompt: "bioshock style, computer game, smooth gradients, (beautiful), [warm] lights"
            negative_prompt: "BadDream, UnrealisticDream, (bad_prompt:0.8)"
          - source_model: dreamlike-art/dreamlike-photoreal-2.0
            positive_prompt: "photograph, highly detailed skin, realistic"
            negative_prompt: "cartoon"
        """,
      sources: [
        "SG161222/Realistic_Vision_V6.0_B1_noVAE", "dreamlike-art/dreamlike-anime-1.0", "Lykon/dreamshaper-8",
        "dreamlike-art/dreamlike-photoreal-2.0",
      ], experts: 4, perToken: 2),
    // The number of experts stands beside a list of as many.
    Example(
      name: "turbo", isXL: true,
      text: """
        base_model: stabilityai/sdxl-turbo
        moe_layers: attn
        num_experts: 4
        num_experts_per_tok: 2
        experts:
          - source_model: stabilityai/sdxl-turbo
            positive_prompt: "aesthetic, cinematic"
            negative_prompt: "(worst quality)"
          - source_model: Lykon/dreamshaper-xl-turbo\u{20}
            positive_prompt: "(illustration), 8K"
            negative_prompt: "\(long)"
          - source_model: thibaud/sdxl_dpo_turbo
            positive_prompt: "minimalist"
            negative_prompt: "ugly"
          - source_model: mann-e/Mann-E_Turbo
            positive_prompt: "photograph f/1.4"
            negative_prompt: "nsfw"
        """,
      sources: [
        "stabilityai/sdxl-turbo", "Lykon/dreamshaper-xl-turbo", "thibaud/sdxl_dpo_turbo",
        "mann-e/Mann-E_Turbo",
      ], experts: 4, perToken: 2),
  ]

  /// A tiny model of the family, whose weights have names in half precision.
  private static func model(isXL: Bool, number: Int) throws -> [String: [UInt8]] {
    var files = try FetchHouse.model(isXL ? "families/xl" : "model/base")
    if isXL {
      for (name, bytes) in try FetchHouse.model("model/base/tokenizer") { files["tokenizer/" + name] = bytes }
    }
    for name in files.keys where name.hasSuffix("/diffusion_pytorch_model.safetensors") {
      files[name.replacing(".safetensors", with: ".fp16.safetensors")] = files.removeValue(forKey: name)
    }
    // Each card has a UNet of its own: the bytes of another order of members would do, but blanks are simpler.
    files["unet/config.json"]? += Array(String(repeating: " ", count: number).utf8)
    return files
  }

  @Test(arguments: examples) func anExampleIsMerged(example: Example) throws {
    let house = try FetchHouse()
    for (index, source) in example.sources.enumerated() {
      house.hub.publish(source, try Self.model(isXL: example.isXL, number: index))
    }
    let recipe = house.folder + "/config.yaml"
    try Data(example.text.utf8).write(to: URL(fileURLWithPath: recipe))
    // The third card is held back until the gates of the first expert are under way: who fetched all before would wait
    // for ever.
    let seen = Mutex(false)
    if let third = example.sources.dropFirst(2).first {
      house.hub.plant(
        100, on: { $0.path.hasPrefix("/\(third)/resolve/") && $0.path.hasSuffix("unet/config.json") }
      ) { _ in
        let limit = Date(timeIntervalSinceNow: 60)
        while Date() < limit, !seen.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.01) }
      }
    }
    let merge = try RealProgram(
      "segmoe", house,
      ["merge", recipe, "out", "--gate-steps", "2", "--gate-size", "64x64", "--threads", "1"])
    let limit = Date(timeIntervalSinceNow: 50)
    while Date() < limit, merge.isRunning, !merge.words.contains("gates of expert 1 of \(example.experts)") {
      Thread.sleep(forTimeInterval: 0.01)
    }
    #expect(merge.words.contains("gates of expert 1 of \(example.experts)"), "\(merge.words)")
    seen.withLock { $0 = true }
    #expect(merge.end() == 0, "\(merge.words)")

    // Each source is asked for once, each file of it fetched once.
    for source in example.sources {
      let asked = house.hub.requests.filter { $0.path == "/api/models/\(source)" }
      #expect(asked.count == 1, "\(source)")
    }
    let fetched = house.hub.requests.filter { $0.path.contains("/resolve/") }.map(\.path)
    #expect(fetched.count == Set(fetched).count)
    #expect(
      house.hub.requests.contains { $0.path.hasSuffix("unet/diffusion_pytorch_model.fp16.safetensors") })

    // What is made names cards, and nothing of this machine.
    let output = house.folder + "/out"
    let config = try JSONValue(contentsOf: output + "/unet/config.json", purpose: "the UNet's configuration")
    guard case .object(let members) = config, case .object(let mixture) = members["segmoe_config"] else {
      Issue.record("no segmoe_config")
      return
    }
    #expect(mixture["num_experts"] == .integer(example.experts))
    #expect(mixture["num_experts_per_tok"] == .integer(example.perToken))
    #expect(mixture["type"] == .string(example.isXL ? "sdxl" : "sd"))
    #expect(mixture["base_model"] == .string(example.sources[0]))
    let names = FileManager.default.enumerator(atPath: output)?.compactMap { $0 as? String } ?? []
    for name in names {
      guard let bytes = FileManager.default.contents(atPath: output + "/" + name) else { continue }
      #expect(bytes.range(of: Data(house.folder.utf8)) == nil, "\(name)")
    }
    // It is a model.
    let inspected = try RealProgram("segmoe", house, ["inspect", "out"])
    #expect(
      inspected.end() == 0 && inspected.output.contains("\(example.experts)x\(example.perToken)"),
      "\(inspected.output)")
  }

  /// A source that never comes ends the merge at once, with the hub's reason and code; nothing is left.
  @Test func aSourceThatNeverComesEndsTheMerge() throws {
    let house = try FetchHouse()
    house.hub.publish("a/base", try Self.model(isXL: false, number: 0))
    house.hub.publish("a/gated", try Self.model(isXL: false, number: 1), isGated: true)
    let text = """
      base_model: a/base
      num_experts_per_tok: 1
      type: sd
      experts:
        - {source_model: a/base, positive_prompt: a, negative_prompt: b}
        - {source_model: a/gated, positive_prompt: a, negative_prompt: b}
      """
    try Data(text.utf8).write(to: URL(fileURLWithPath: house.folder + "/c.yaml"))
    let merge = try RealProgram(
      "segmoe", house, ["merge", "c.yaml", "out", "--gate-steps", "2", "--gate-size", "64x64", "--quiet"])
    #expect(merge.end() == 77 && merge.words.contains("accept its conditions"), "\(merge.words)")
    #expect(!FileManager.default.fileExists(atPath: house.folder + "/out"))
  }
}
