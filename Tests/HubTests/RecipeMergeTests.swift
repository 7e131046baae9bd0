import Checkpoints
import Foundation
import Hub
import Synchronization
import TestSupport
import Testing

/// The four example recipes of the SegMoE repository, and others, merged by the built program from a hub.
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

  /// Cards, counts and keys are those of the repository's files; the prompts have their forms: weights in brackets,
  /// brackets in brackets, a comma at the end, a blank at the beginning.
  static let examples = [
    Example(
      name: "2x1", isXL: true,
      text: """
        base_model: SG161222/RealVisXL_V3.0
        num_experts: 2
        moe_layers: all
        num_experts_per_tok: 1
        type: sdxl
        experts:
          - source_model: frankjoshua/juggernautXL_v8Rundiffusion
            positive_prompt: "cinematic, hands, portrait, photo, illustration, 8K, origami, man, woman, supercar"
            negative_prompt: "\(long)"
          - source_model: SG161222/RealVisXL_V3.0
            positive_prompt: "portrait, photograph, fashion, movie, macro shot, 8K, RAW, ultra realistic,"
            negative_prompt: "(octane render, drawing, anime, bad photo:1.3), (low quality, blurry:1.2), (bad teeth)"
        """,
      sources: ["SG161222/RealVisXL_V3.0", "frankjoshua/juggernautXL_v8Rundiffusion"], experts: 2, perToken: 1
    ),
    Example(
      name: "4x2", isXL: true,
      text: """
        base_model: SG161222/RealVisXL_V3.0
        num_experts: 4
        moe_layers: all
        num_experts_per_tok: 2
        type: sdxl
        experts:
          - source_model: frankjoshua/juggernautXL_v8Rundiffusion
            positive_prompt: "cinematic, hands, portrait, photo, illustration, 8K, origami, man, woman, supercar"
            negative_prompt: "\(long)"
          - source_model: SG161222/RealVisXL_V3.0
            positive_prompt: "portrait, photograph, fashion, movie, macro shot, 8K, RAW, ultra realistic,"
            negative_prompt: "(octane render, drawing, anime, bad photo:1.3), (low quality, blurry:1.2), (bad teeth)"
          - source_model: albertushka/albertushka_DynaVisionXL
            positive_prompt: "minimalist, award winning art, painting, impressionist, comic, colors, sketch,"
            negative_prompt: "artifacts, bad art, plastic, fake, conjoined, watermark, ((signature):1.25), logo"
          - source_model: frankjoshua/albedobaseXL_v13
            positive_prompt: "photograph f/1.4, ISO 200, 1/160s, 8K, RAW, unedited, symmetrical balance, in-frame, 8K"
            negative_prompt: "nsfw, lowres, bad anatomy, text, error, missing fingers, extra digit, cropped, blurry"
        """,
      sources: [
        "SG161222/RealVisXL_V3.0", "frankjoshua/juggernautXL_v8Rundiffusion",
        "albertushka/albertushka_DynaVisionXL", "frankjoshua/albedobaseXL_v13",
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
            positive_prompt: "cinematic, portrait, photograph, fashion, movie, macro shot, 8K, RAW, ultra realistic,"
            negative_prompt: " \(long)"
          - source_model: dreamlike-art/dreamlike-anime-1.0
            positive_prompt: "photo anime, masterpiece, high quality, absurdres, 1girl, 1boy, chibi"
            negative_prompt: "simple background, retro style, low quality, 1980s, 2005 2006 2007 2008, artist name"
          - source_model: Lykon/dreamshaper-8
            positive_prompt: "bokeh, intricate, elegant, soft lighting, vibrant colors, dreamlike, fantasy"
            negative_prompt: "lowres, jpeg artifacts, extra legs, tiling, bad art, fuzzy, misshaped, watermarks"
          - source_model: dreamlike-art/dreamlike-diffusion-1.0
            positive_prompt: "dreamlikeart, rainbow hair, travelling between dimensions, In style of a painter, lines"
            negative_prompt: "low quality, lowres, extra arms, poorly drawn hands, disfigured, out of frame"
        """,
      sources: [
        "SG161222/Realistic_Vision_V6.0_B1_noVAE", "dreamlike-art/dreamlike-anime-1.0", "Lykon/dreamshaper-8",
        "dreamlike-art/dreamlike-diffusion-1.0",
      ], experts: 4, perToken: 2),
    // A blank behind the last card.
    Example(
      name: "turbo", isXL: true,
      text: """
        base_model: stablediffusionapi/realvisxl-v30-turbo
        num_experts: 3
        moe_layers: all
        num_experts_per_tok: 1
        type: sdxl
        experts:
          - source_model: stablediffusionapi/turbovision_xl
            positive_prompt: "cinematic, hands, portrait, photo, illustration, 8K, origami, man, woman, supercar"
            negative_prompt: "\(long)"
          - source_model: stablediffusionapi/realvisxl-v30-turbo
            positive_prompt: "portrait, photograph, fashion, movie, macro shot, 8K, RAW, ultra realistic,"
            negative_prompt: "(octane render, drawing, anime, bad photo:1.3), (low quality, blurry:1.2), (bad teeth)"
          - source_model: Lykon/dreamshaper-xl-turbo\u{20}
            positive_prompt: "minimalist, award winning art, painting, impressionist, comic, colors, sketch,"
            negative_prompt: "artifacts, bad art, plastic, fake, conjoined, watermark, ((signature):1.25), logo"
        """,
      sources: [
        "stablediffusionapi/realvisxl-v30-turbo", "stablediffusionapi/turbovision_xl",
        "Lykon/dreamshaper-xl-turbo",
      ], experts: 3, perToken: 1),
    // None of the four: names in quotes with blanks behind them, layers of attention alone, and no type, which means
    // SDXL.
    Example(
      name: "in other forms", isXL: true,
      text: """
        base_model: "a/base "
        moe_layers: attn
        num_experts: 3
        num_experts_per_tok: 2
        experts:
          - source_model: "a/base"
            positive_prompt: "aesthetic, (hyperdetailed:1.2)"
            negative_prompt: "\(long)"
          - source_model: "b/second  "
            positive_prompt: "[sketch], 8K"
            negative_prompt: "(bad)"
          - source_model: c/third\u{20}
            positive_prompt: "minimalist"
            negative_prompt: "ugly"
        """,
      sources: ["a/base", "b/second", "c/third"], experts: 3, perToken: 2),
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
        let limit = Date(timeIntervalSinceNow: 2 * Patience.seconds)
        while Date() < limit, !seen.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.01) }
      }
    }
    let merge = try RealProgram(
      "segmoe", house,
      ["merge", recipe, "out", "--gate-steps", "2", "--gate-size", "64x64", "--threads", "1"])
    let limit = Patience.end
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
