import Foundation
import Images
import TestSupport
import Testing

/// Models of one daemon that have all weights in common and compute something else with them.
@Suite struct LikeModelsTests {
  /// A line of a configuration, and what it becomes.
  private static let changes: [(file: String, line: String, other: String)] = [
    ("text_encoder", #""hidden_act": "quick_gelu""#, #""hidden_act": "gelu""#),
    ("text_encoder", #""layer_norm_eps": 1e-05"#, #""layer_norm_eps": 0.1"#),
    ("text_encoder", #""num_attention_heads": 4"#, #""num_attention_heads": 2"#),
    ("unet", #""norm_eps": 1e-05"#, #""norm_eps": 0.1"#),
    ("unet", #""norm_num_groups": 8"#, #""norm_num_groups": 4"#),
    ("vae", #""norm_num_groups": 8"#, #""norm_num_groups": 4"#),
  ]

  private func addOther(_ change: (file: String, line: String, other: String), to house: DaemonHouse) throws {
    let folder = URL(fileURLWithPath: house.models).appending(path: "other")
    try FileManager.default.copyItem(
      at: URL(fileURLWithPath: house.models).appending(path: "tiny").resolvingSymlinksInPath(), to: folder)
    let file = folder.appending(path: "\(change.file)/config.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    try #require(text.contains(change.line), "\(change)")
    // The file may be a link, or not ours to write.
    try FileManager.default.removeItem(at: file)
    try text.replacing(change.line, with: change.other).write(to: file, atomically: true, encoding: .utf8)
  }

  private func picture(of models: [String], _ change: (file: String, line: String, other: String)) throws
    -> [[RGBImage]]
  {
    let house = try DaemonHouse()
    try addOther(change, to: house)
    let jobs = try models.map { model in
      try house.enqueue {
        $0.model = model
        $0.steps = 4
      }
    }
    try house.worker(coalesce: 1).run()
    return try house.pictures(jobs)
  }

  /// A model's picture is the same whichever model was there before.
  @Test(arguments: changes.indices) func eachHasItsOwn(number: Int) throws {
    let change = Self.changes[number]
    let alone = try picture(of: ["other"], change) + picture(of: ["tiny"], change)
    #expect(alone[0] != alone[1], "the change shows")
    #expect(try picture(of: ["other", "tiny"], change) == alone)
    #expect(try Array(picture(of: ["tiny", "other"], change).reversed()) == alone)
  }
}
