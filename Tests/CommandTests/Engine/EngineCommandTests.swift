import Foundation
import Images
import TestSupport
import Testing

/// The real `segmoe`: its contracts on the command line.
@Suite struct EngineCommandTests {
  private let model = Places.golden("model/base")

  private func run(_ arguments: String..., input: Data = Data()) throws -> Outcome {
    try run(arguments, input: input)
  }

  private func run(_ arguments: [String], input: Data = Data()) throws -> Outcome {
    try Outcome(of: "segmoe", arguments, input: input)
  }

  @Test func helpNamesEveryCommand() throws {
    let outcome = try run("--help")
    #expect(outcome.code == 0)
    for command in ["render", "merge", "tokenize", "inspect", "bench", "synth", "contact-sheet"] {
      #expect(outcome.output.contains(command))
    }
  }

  /// Names of files, tensors and keys are other people's text.
  @Test func nothingThatIsQuotedDrivesTheTerminal() throws {
    let place = try TemporaryFolder()
    let folder = place.path
    defer { withExtendedLifetime(place) {} }
    let key = #""a\u001b[2J\u202e\n\(String(repeating: "k", count: 100_000))""#
    let header = #"{\#(key): {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}"#
    let file = try place.write(
      "a\u{1B}[31m\u{202E}.safetensors", safetensors(header: header, data: [0, 0, 0, 0]))
    for arguments in [
      ["inspect", file], ["inspect", folder + "/\u{9B}gone\n"], ["\u{1B}[31m.yaml", folder + "/out"],
      ["render", model, "--prompt", "x", "--scheduler", "\u{1B}]0;t\u{7}"], ["--\u{1B}[2J\u{202E}"],
      ["render", model, "--prompt", "x", "--lora", file, "--output", folder + "/out.png", "--quiet"],
    ] {
      let outcome = try run(arguments)
      #expect(outcome.code != 0, "\(arguments)")
      let raw = (outcome.output + outcome.errors).unicodeScalars.filter {
        $0 != "\n" && [.control, .format].contains($0.properties.generalCategory)
      }
      #expect(raw.isEmpty, "\(outcome)")
      #expect(outcome.errors.filter { $0 == "\n" }.count == 1 && outcome.errors.utf8.count < 2100)
    }
  }

  @Test func tokenizesALineEach() throws {
    let outcome = try run("tokenize", model, "--json", input: Data("a red fox\n\ncafé\n".utf8))
    let lines = outcome.output.split(separator: "\n")
    #expect(outcome.code == 0 && lines.count == 3)
    for line in lines {
      let ids = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [Int]
      #expect(ids?.count == 77)
    }
  }

  @Test func tokenizeRefusesWhatIsNotUTF8() throws {
    expectError(
      try run("tokenize", model, input: Data([0x61, 0x0A, 0xFF, 0x0A])), code: 65, "standard input:2",
      output: nil)
  }

  @Test func inspectSaysWhatItIs() throws {
    let outcome = try run("inspect", model, "--json")
    let object = try outcome.object()
    #expect(object["type"] as? String == "sd" && object["size"] as? Int == 128)
    #expect((object["parameters"] as? Int ?? 0) > 100_000)
  }

  @Test func rendersAsManyAsAsked() throws {
    let place = try TemporaryFolder()
    let folder = place.path
    let outcome = try run(
      "render", model, "--prompt", "a fox", "--width", "64", "--height", "64", "--steps", "2",
      "--scheduler", "euler", "--count", "2", "--output", folder + "/x.png")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(place.names == ["x-0.png", "x-1.png"])
    let (pictures, page) = ([folder + "/x-0.png", folder + "/x-1.png"], folder + "/sheet.png")
    let sheet = try run(["contact-sheet", "--output", page] + pictures)
    #expect(sheet.code == 0, "\(sheet)")
    // The output forgotten, as in `contact-sheet pics/*.png`: no picture is taken for it.
    let before = try Data(contentsOf: URL(fileURLWithPath: pictures[0]))
    expectError(try run(["contact-sheet"] + pictures), code: 64, "--output")
    expectError(try run(["contact-sheet", "--output"] + pictures), code: 64, "--force")
    #expect(try Data(contentsOf: URL(fileURLWithPath: pictures[0])) == before)
    let again = try run(["contact-sheet", "--output", page, "--force"] + pictures)
    #expect(again.code == 0, "\(again)")
    // A place that cannot be written is found out before anything is rendered.
    let nowhere = try run("render", model, "--prompt", "x", "--output", folder + "/none/x.png")
    expectError(nowhere, code: 66, "no such folder")
    expectError(try run("render", model, "--prompt", "x", "--output", page), code: 64, "--force")
    #expect(place.names == ["sheet.png", "x-0.png", "x-1.png"])
  }

  /// A picture of `segmoe render` may be rendered over again, as scripts do. A picture of the queue, of another
  /// program, or what only looks like one, may not.
  @Test func rendersOverItsOwnPicturesOnly() throws {
    let place = try TemporaryFolder()
    let folder = place.path
    defer { withExtendedLifetime(place) {} }
    let picture = folder + "/o.png"
    func render(_ seed: String, to path: String) throws -> Outcome {
      try run(
        "render", model, "--prompt", "a fox, é, 狐", "--width", "64", "--height", "64", "--steps", "1",
        "--seed", seed, "--quiet", "--output", path)
    }
    var seen: Set<Data> = []
    for seed in ["9223372036854775807", "9223372036854775808", "18446744073709551615"] {
      #expect(try render(seed, to: picture).code == 0)
      seen.insert(try Data(contentsOf: URL(fileURLWithPath: picture)))
    }
    #expect(seen.count == 3)
    let own = try PNGFile.read(picture)
    func others(_ change: (String) -> String?) -> [PNGText] {
      own.texts.compactMap { text in
        text.keyword != "segmoe"
          ? text : change(text.text).map { PNGText(keyword: text.keyword, text: $0) }
      }
    }
    let refused: [(name: String, texts: [PNGText])] = [
      ("queue.png", others { $0.replacing("{\"", with: "{\"job\":7,\"", maxReplacements: 1) }),
      ("a1111.png", others { _ in nil }), ("bare.png", []),
      ("forged.png", [PNGText(keyword: "segmoe", text: "{\"prompt\":1}")]),
      ("broken.png", [PNGText(keyword: "segmoe", text: "{")]),
    ]
    for (name, texts) in refused {
      let path = folder + "/" + name
      try PNGFile.write(own.image, texts: texts, to: path)
      let before = try Data(contentsOf: URL(fileURLWithPath: path))
      expectError(try render("1", to: path), code: 64, "--force")
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    }
    let text = folder + "/notes.png"
    try Data("segmoe prompt".utf8).write(to: URL(fileURLWithPath: text))
    expectError(try render("1", to: text), code: 64, "--force")
    // Of several pictures one that may not be replaced keeps the others from being rendered.
    try FileManager.default.copyItem(atPath: picture, toPath: folder + "/m-0.png")
    try FileManager.default.copyItem(atPath: text, toPath: folder + "/m-1.png")
    expectError(
      try run(
        "render", model, "--prompt", "x", "--width", "64", "--height", "64", "--steps", "1", "--count", "2",
        "--output", folder + "/m.png"), code: 64, "m-1.png")
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: folder + "/m-0.png"))
        == Data(contentsOf: URL(fileURLWithPath: picture)))
  }

  /// Every precision renders, says so in the picture, and is as far from f32 as a rounding is.
  @Test func rendersInEveryPrecision() throws {
    let folder = try TemporaryFolder()
    var pictures: Set<Data> = []
    for precision in ["f32", "bf16", "int8"] {
      let path = folder.file(precision + ".png")
      let outcome = try run(
        "render", model, "--prompt", "a fox", "--width", "64", "--height", "64", "--steps", "2",
        "--precision", precision, "--output", path)
      #expect(outcome.code == 0, "\(outcome)")
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      #expect(bytes.range(of: Data("\"precision\":\"\(precision)\"".utf8)) != nil)
      pictures.insert(bytes)
    }
    #expect(pictures.count == 3)
    let measured = try run("precision", model, "--width", "64", "--height", "64", "--json")
    #expect(measured.code == 0, "\(measured)")
  }

  @Test func errorsAreOneLineWithTheirCode() throws {
    let render = ["--prompt", "x", "--output", "/nonexistent/x.png"]
    func rendering(_ arguments: String...) throws -> Outcome {
      try run(arguments + render)
    }
    expectError(try rendering("render", "/nonexistent"), code: 66, "/nonexistent")
    expectError(try rendering("render", model, "--width", "100"), code: 64, "multiple of 8")
    expectError(try rendering("render", model, "--scheduler", "nosuch"), code: 64, "nosuch")
    expectError(try rendering("render", model, "--steps", "0"), code: 64, "steps")
    expectError(try rendering("render", model, "--precision", "f64"), code: 64, "f64")
    expectError(try run("merge", "/nonexistent.yaml", "/tmp/never"), code: 66, "/nonexistent.yaml")
    expectError(try run("contact-sheet", "/tmp/never.png", "/nonexistent.png"), code: 66, "/nonexistent.png")
  }

  /// Before the recipe is even read.
  @Test func mergeRefusesAPlaceThatCannotBeWritten() throws {
    let place = try TemporaryFolder()
    let (file, locked) = (try place.write("file", "x"), place.file("locked"))
    expectError(
      try run("merge", "gone.yaml", file + "/below/it"), code: 66,
      "\(file)/below/it: cannot be made in \(file) (Not a directory): choose another place for the output")
    // The system's own folders take none, whoever asks.
    let outcome = try run("merge", "gone.yaml", "/proc/x")
    expectError(outcome, code: outcome.code, "/proc/x: cannot be made in /proc (")
    #expect([66, 77].contains(outcome.code))
    try FileManager.default.createDirectory(atPath: locked, withIntermediateDirectories: false)
    chmod(locked, 0o555)
    let wrapper = Rights.canBeTaken ? Rights.nobody() : []
    guard Rights.canBeTaken || geteuid() != 0 else { return }
    chmod(place.path, 0o755)
    let denied = try BuiltProgram.run("segmoe", ["merge", "gone.yaml", locked + "/x"], by: wrapper)
    expectError(
      denied, code: 77,
      "\(locked)/x: cannot be made in \(locked) (Permission denied): give this user write permission, or choose"
    )
  }
}
