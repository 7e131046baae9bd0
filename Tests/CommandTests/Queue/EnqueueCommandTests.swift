import Foundation
import Glibc
import JobStore
import Requests
import TestSupport
import Testing

@Suite struct EnqueueCommandTests {
  @Test func argumentsBecomeJobs() throws {
    let command = try Command()
    // A daemon that is alive: nothing has to be said.
    _ = try command.daemon(beats: true)
    let outcome = try command("enqueue", "a cat", "", "--model", "demo", "--name", "pets", "--json")
    #expect(outcome.code == 0)
    #expect(outcome.errors == "")
    #expect(outcome.output == "{\"batch\": 1, \"jobs\": [1, 2]}\n")
    let jobs = try command.client().list()
    #expect(jobs.map(\.prompt) == ["a cat", ""])
    #expect(jobs.map(\.model) == ["demo", "demo"])
  }

  @Test func everySettingArrives() throws {
    let command = try Command()
    for name in ["l.safetensors", "e.safetensors", "i.png", "m.png"] {
      try command.file(name, Data("x".utf8))
    }
    let outcome = try command(
      "enqueue", "p", "--model", "demo", "--negative-prompt", "n", "--width", "64", "--height", "128",
      "--steps", "3", "--guidance", "1.5", "--scheduler", "euler_a", "--seed", "9", "--count", "2",
      "--precision", "bf16", "--lora", "l.safetensors:0.5",
      "--embedding", "e.safetensors:<cat>", "--embedding", "e.safetensors", "--clip-skip", "2",
      "--plain-prompt", "--init-image", "i.png", "--mask", "m.png",
      "--original-size", "1024x768",
      "--crop", "0,64", "--target-size", "64x128", "--memory-budget", "2GiB", "--priority", "4",
      "--max-attempts", "5")
    #expect(outcome.code == 0, "\(outcome)")
    let request = try command.client().details(job: 1).job.request
    let settings = request.render
    #expect(settings.negativePrompt == "n")
    #expect((settings.width, settings.height, settings.steps, settings.count) == (64, 128, 3, 2))
    #expect(settings.guidance == 1.5)
    #expect(settings.scheduler == .eulerAncestral)
    #expect(settings.seed == 9)
    #expect(settings.precision == .bf16)
    #expect(settings.loras == [LoRAReference(path: command.folder + "/l.safetensors", weight: 0.5)])
    let file = command.folder + "/e.safetensors"
    #expect(
      settings.embeddings == [EmbeddingReference(path: file, token: "<cat>"), EmbeddingReference(path: file)])
    #expect(settings.clipSkip == 2 && settings.isPlainPrompt)
    #expect(settings.initImage == command.folder + "/i.png")
    #expect(settings.strength == 0.8)
    #expect(settings.mask == command.folder + "/m.png")
    #expect(settings.originalSize == PixelSize(width: 1024, height: 768))
    #expect(settings.crop == PixelPoint(x: 0, y: 64))
    #expect(settings.targetSize == PixelSize(width: 64, height: 128))
    #expect(settings.memoryBudget == ByteCount(bytes: 2 << 30))
    #expect((request.priority, request.maxAttempts) == (4, 5))
  }

  @Test func promptSettingsOfALine() throws {
    let command = try Command()
    try command.file("e.safetensors", Data("x".utf8))
    let line =
      #"{"prompt": "p", "embeddings": ["e.safetensors:<cat>", {"path": "e.safetensors"}], "clip_skip": 1, "plain_prompt": true}"#
    let outcome = try command.run(
      ["enqueue", "--model", "demo"], input: Data((line + "\n{\"prompt\": \"q\"}").utf8))
    #expect(outcome.code == 0, "\(outcome)")
    let file = command.folder + "/e.safetensors"
    let settings = try command.client().details(job: 1).job.request.render
    #expect(
      settings.embeddings == [EmbeddingReference(path: file, token: "<cat>"), EmbeddingReference(path: file)])
    #expect(settings.clipSkip == 1 && settings.isPlainPrompt)
    let plain = try command.client().details(job: 2).job.request.render
    #expect(plain.embeddings.isEmpty && plain.clipSkip == 0 && !plain.isPlainPrompt)
  }

  @Test func framingOfALine() throws {
    let command = try Command()
    let lines = [
      #"{"prompt": "p", "crop": "8,-16", "target_size": "64x64"}"#, #"{"prompt": "q"}"#,
    ].joined(separator: "\n")
    let outcome = try command.run(
      ["enqueue", "--model", "demo", "--original-size", "640x480", "--crop", "1,1"], input: Data(lines.utf8))
    #expect(outcome.code == 0, "\(outcome)")
    let framings = try (1...2).map { try command.client().details(job: $0).job.request.render }
    #expect(framings.map(\.originalSize) == [.init(width: 640, height: 480), .init(width: 640, height: 480)])
    #expect(framings.map(\.crop) == [.init(x: 8, y: -16), .init(x: 1, y: 1)])
    #expect(framings.map(\.targetSize) == [.init(width: 64, height: 64), nil])
    let shown = try command("show", "1", "--json").output
    #expect(
      shown.contains(#""original_size": "640x480", "crop": "8,-16", "target_size": "64x64""#), "\(shown)")
    for (line, part) in [
      (#"{"prompt": "p", "crop": "8x8"}"#, "x,y"), (#"{"prompt": "p", "target_size": 64}"#, "target_size"),
    ] {
      let refused = try command.run(["enqueue", "--model", "demo"], input: Data(line.utf8))
      #expect(refused.code == 65 && refused.errors.contains(part), "\(refused)")
    }
    #expect(try command("enqueue", "p", "--model", "demo", "--crop", "1").code == 64)
  }

  static let file = Data(
    "\u{FEFF}plain\r\n\n  \n# not a comment\n{\"prompt\": \"own\", \"steps\": 4, \"model\": \"other\"}\nlast"
      .utf8)

  @Test(arguments: [["--file", "p.txt"], ["--file", "-"], []])
  func filesAndPipes(source: [String]) throws {
    let command = try Command()
    try command.file("p.txt", Self.file)
    let outcome = try command.run(
      ["enqueue", "--model", "demo", "--steps", "9", "--json"] + source, input: Self.file)
    #expect(outcome.output == "{\"batch\": 1, \"jobs\": [1, 2, 3, 4]}\n")
    let jobs = try command.client().list()
    #expect(jobs.map(\.prompt) == ["plain", "# not a comment", "own", "last"])
    #expect(jobs.map { $0.images[0].steps } == [9, 9, 4, 9])
    #expect(jobs.map(\.model) == ["demo", "demo", "other", "demo"])
  }

  @Test func aModelFolderBecomesAbsolute() throws {
    let command = try Command()
    let model = command.folder + "/tiny"
    try FileManager.default.createDirectory(atPath: model, withIntermediateDirectories: true)
    try command.file("tiny/model_index.json", Data("{}".utf8))
    for name in ["./tiny", "tiny/", "tiny", model] {
      #expect(try command("enqueue", "p", "--model", name).code == 0)
    }
    #expect(try command.client().list().map(\.model) == [model, model, model, model])
    // A folder that happens to be called like a model is not one.
    try FileManager.default.createDirectory(
      atPath: command.folder + "/demo", withIntermediateDirectories: true)
    #expect(try command("enqueue", "p", "--model", "demo").code == 0)
    #expect(try command.client().list().last?.model == "demo")
  }

  @Test func sameKeySameAnswer() throws {
    let command = try Command()
    let first = try command("enqueue", "a", "b", "--model", "m", "--key", "k", "--json")
    let again = try command("enqueue", "a", "b", "--model", "m", "--key", "k", "--json")
    #expect(first.output == again.output)
    expectComplaint(try command("enqueue", "c", "--model", "m", "--key", "k"), code: 65, "'k'", "batch 1")
    #expect(try command.client().list().count == 2)
  }

  @Test func notBefore() throws {
    let command = try Command()
    #expect(try command("enqueue", "p", "--model", "m", "--run-after", "2h").code == 0)
    let due = try #require(try command.client().list().first?.runAfter)
    #expect(abs(Date(milliseconds: due).timeIntervalSinceNow - 7200) < 600)
    #expect(try command("enqueue", "p", "--model", "m", "--run-after", "2100-01-01T00:00").code == 0)
    #expect(try command.client().list().last?.runAfter == 4_102_444_800_000)
    expectComplaint(try command("enqueue", "p", "--model", "m", "--run-after", "soon"), code: 64, "'soon'")
  }

  static let wrongLines: [(content: Data, parts: [String])] = [
    (Data("ok\n{\"prompt\": \"p\", \"colour\": 1}\n".utf8), ["p.txt:2", "\"colour\""]),
    (Data("ok\n{\"prompt\": \"p\", \"scheduler\": \"magic\"}\n".utf8), ["p.txt:2", "'magic'", "euler_a"]),
    (Data("ok\n\n{\"prompt\": \"p\", \"width\": 100}\n".utf8), ["p.txt:3", "width is 100", "multiple of 8"]),
    (Data("{\"prompt\": \"p\", \"steps\": \"many\"}\n".utf8), ["p.txt:1", "\"steps\"", "whole number"]),
    (Data("{\"prompt\": \"p\", \"steps\": 1e300}\n".utf8), ["p.txt:1", "\"steps\""]),
    (Data("{\"prompt\": \"p\", \"guidance\": 1e999}\n".utf8), ["p.txt:1"]),
    (Data("{\"prompt\": 5}\n".utf8), ["p.txt:1", "\"prompt\""]),
    (Data("{\"model\": \"m\"}\n".utf8), ["p.txt:1", "no \"prompt\""]),
    (Data("{a|b} cat\n".utf8), ["p.txt:1", "not JSON"]),
    (Data("ok\n".utf8) + Data([0x66, 0xFF, 0xFE, 0x0A]), ["p.txt:2", "UTF-8"]),
    (Data([0xFF, 0xFE, 0x00, 0xD8, 0x0A, 0x00]), ["p.txt: ", "UTF-16"]),
    (Data([0xFF, 0xFE, 0x61, 0x00, 0x0A]), ["p.txt: ", "UTF-16"]),
    (Data("a\0b\n".utf8), ["p.txt:1", "zero byte"]),
    (Data(repeating: 0x61, count: 2 << 20), ["p.txt:1", "MiB"]),
    (Data(repeating: 0x61, count: 100_000), ["p.txt:1", "prompt"]),
    (Data(), ["p.txt", "no prompt"]),
    (Data("\n \n\r\n".utf8), ["p.txt", "no prompt"]),
  ]

  @Test(arguments: wrongLines.indices)
  func wrongInputNamesFileAndLineAndQueuesNothing(index: Int) throws {
    let (content, parts) = Self.wrongLines[index]
    let command = try Command()
    try command.file("p.txt", content)
    let outcome = try command("enqueue", "--model", "demo", "--file", "p.txt")
    expectComplaint(outcome, code: 65)
    for part in parts { #expect(outcome.errors.contains(part), "\(part) is not in: \(outcome.errors)") }
    #expect(try command.client().status().counts.total == 0)
  }

  @Test func missingFiles() throws {
    let command = try Command()
    expectComplaint(try command("enqueue", "--model", "m", "--file", "nope.txt"), code: 66, "nope.txt")
    expectComplaint(try command("enqueue", "--model", "m", "--file", "."), code: 66, "folder")
    expectComplaint(try command("enqueue", "p", "--model", "./nope"), code: 66, command.folder + "/nope")
    expectComplaint(
      try command("enqueue", "p", "--model", "m", "--lora", "no.safetensors"), code: 66, "no.safetensors")
    expectComplaint(try command("enqueue", "p", "--model", "m", "--init-image", "no.png"), code: 66, "no.png")
    try command.file("p.txt", Data("{\"prompt\": \"p\", \"init_image\": \"no.png\"}".utf8))
    expectComplaint(try command("enqueue", "--model", "m", "--file", "p.txt"), code: 66, "p.txt:1", "no.png")
  }

  static let wrongUsage: [(arguments: [String], part: String)] = [
    (["p"], "--model"),
    (["p", "--model", "m", "--width", "100"], "multiple of 8"),
    (["p", "--model", "m", "--scheduler", "magic"], "euler_a"),
    (["p", "--model", "m", "--precision", "f64"], "bf16"),
    (["p", "--model", "m", "--steps", "0"], "steps"),
    (["p", "--model", "m", "--steps", "x"], "--steps"),
    (["p", "--model", "m", "--guidance", "nan"], "guidance"),
    (["p", "--model", "m", "--seed", "-2"], "or random"),
    (["p", "--model", "m", "--strength", "0.5"], "--init-image"),
    (["p", "--model", "m", "--memory-budget", "lots"], "'lots'"),
    (["p", "--model", "m", "--name", "../up"], "name"),
    (["p", "--model", "m", "--max-attempts", "0"], "--max-attempts"),
    (["p", "--model", "m", "--colour", "red"], "--colour"),
    (["p", "--model", ""], "model"),
  ]

  @Test(arguments: wrongUsage.indices)
  func wrongOptionsAreWrongUsage(index: Int) throws {
    let (arguments, part) = Self.wrongUsage[index]
    let command = try Command()
    expectComplaint(try command.run(["enqueue"] + arguments), code: 64, part)
  }

  /// Killed while it still reads, a client leaves nothing behind and nobody waiting.
  @Test func killedInTheMiddleNothingIsQueued() throws {
    let command = try Command()
    let (input, output) = (Pipe(), Pipe())
    let process = try Process(
      "segmoectl", ["enqueue", "--model", "m", "--json"], environment: ["SEGMOE_DATABASE": command.database])
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    let lines = String(repeating: "a prompt that is never finished\n", count: 20_000)
    input.fileHandleForWriting.write(Data(lines.utf8))
    // The pipe holds 64 KiB, so most of it has been read; its end is still to come.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal)
    #expect(try command.client().status().counts.total == 0)
    #expect(try command("enqueue", "p", "--model", "m", "--json").output == "{\"batch\": 1, \"jobs\": [1]}\n")
  }

  @Test func waitingEndsWithTheBatch() throws {
    let command = try Command()
    let session = try command.daemon(beats: true)
    let (output, errors) = (Pipe(), Pipe())
    let process = try command.start(
      ["enqueue", "good", "bad", "--model", "m", "--wait", "--json"], output: output.fileHandleForWriting,
      errors: errors)
    try output.fileHandleForWriting.close()
    while try session.client.status().counts.total < 2 { Thread.sleep(forTimeInterval: 0.01) }
    try command.render(session)
    #expect(process.isRunning)
    let lease = try #require(try session.claim()).lease
    try session.fail(lease, message: "no such scheduler", kind: .badInput)
    process.waitUntilExit()
    #expect(process.terminationStatus == 65)
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let lines = text.split(separator: "\n")
    #expect(lines.count == 2 && lines.first == "{\"batch\": 1, \"jobs\": [1, 2]}")
    // The outcome: where the pictures are, and what went wrong.
    let end = try #require(
      try JSONSerialization.jsonObject(with: Data((lines.last ?? "").utf8)) as? [String: Any])
    #expect(end["done"] as? Int == 1 && end["failed"] as? Int == 1)
    let jobs = try #require(end["jobs"] as? [[String: Any]])
    #expect((jobs[0]["images"] as? [[String: Any]])?.first?["path"] as? String == "/out/1-0.png")
    #expect(
      jobs[1]["error"] as? String == "no such scheduler" && jobs[1]["error_kind"] as? String == "bad_input")
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(complaint.contains("1 of 2 done, 1 failed"))
  }
}
