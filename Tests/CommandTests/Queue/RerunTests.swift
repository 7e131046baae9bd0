import Foundation
import TestSupport
import Testing

/// Pictures made again by the real programs: the same pixels, or what differs.
@Suite struct RerunTests {
  private static let goldens = Places.golden("")

  private let small = ["--width", "64", "--height", "64", "--steps", "2", "--scheduler", "ddim"]

  @Test func aJobAndItsPictureComeOutTheSame() throws {
    let command = try Command()
    let model = Self.goldens + "model/base"
    _ = try command.run(["enqueue", "a zebra", "--model", model, "--count", "2", "--seed", "5"] + small)
    try command.withDaemon {
      #expect(try command("watch").code == 0)
      let again = try command("rerun", "1", "--json")
      #expect(again.code == 0, "\(again)")
      let images = try #require(try again.object()["images"] as? [[String: Any]])
      #expect(images.map { $0["same"] as? Bool } == [true, true])
      var published = try PublishedSchemas()
      #expect(try published.judge(again.output, by: "segmoectl-rerun") == [])
      #expect(published.gaps(in: "segmoectl-rerun") == [])
      #expect(images[1]["original"] as? String == command.folder + "/out/1/1-1.png")
      // A picture by itself: its own seed, and the same pixels.
      let picture = try command("rerun", "out/1/1-1.png")
      #expect(picture.code == 0 && picture.output.contains("is the same, pixel for pixel"), "\(picture)")
      let copied = command.folder + "/other.png"
      try FileManager.default.copyItem(atPath: command.folder + "/out/1/1-0.png", toPath: copied)
      // What it is compared with may be another's.
      try FileManager.default.removeItem(atPath: command.folder + "/out/1/1-0.png")
      try FileManager.default.copyItem(
        atPath: command.folder + "/out/1/1-1.png", toPath: command.folder + "/out/1/1-0.png")
      let differs = try command("rerun", "1")
      #expect(differs.code == 70 && differs.output.contains("differs from \(command.folder)/out/1/1-0.png"))
      #expect(try command("rerun", copied).code == 0)
    }
  }

  /// A picture says by what it was made, and never where that is.
  @Test func aPictureOfAnotherMachineAsksForItsFiles() throws {
    let command = try Command()
    let lora = Self.goldens + "families/lora.safetensors"
    let made = try BuiltProgram.run(
      "segmoe",
      [
        "render", Self.goldens + "model/base", "--prompt", "a zebra", "--output", command.folder + "/p.png",
        "--quiet",
        "--lora", lora, "--embedding", Self.goldens + "prompts/toy.safetensors",
      ] + small)
    #expect(made.code == 0, "\(made)")
    let bytes = try Data(contentsOf: URL(fileURLWithPath: command.folder + "/p.png"))
    #expect(bytes.range(of: Data(Self.goldens.utf8)) == nil)
    for part in ["lora.safetensors", "toy.safetensors", "embedding_files", "Lora hashes"] {
      #expect(bytes.range(of: Data(part.utf8)) != nil, "\(part)")
    }
    expectComplaint(
      try command("enqueue", "--like", "p.png"), code: 64, "lora.safetensors", "SHA-256", "--lora FILE")
    expectComplaint(try command("enqueue", "--like", "p.png", "--lora", lora), code: 64, "--embedding FILE")
    let whole = try command(
      "enqueue", "--like", "p.png", "--lora", lora, "--embedding", Self.goldens + "prompts/toy.safetensors",
      "--seed", "4")
    #expect(whole.code == 0, "\(whole)")
    let request = try command.client().details(job: 1).job.request.render
    #expect(request.prompt == "a zebra" && request.steps == 2 && request.seed == 4 && request.model == "base")
  }
}
