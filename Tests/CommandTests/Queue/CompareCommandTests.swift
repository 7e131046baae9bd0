import Foundation
import Images
import JobStore
import TestSupport
import Testing

/// `segmoectl compare` and `xy`, rendered by the real daemon.
@Suite struct CompareCommandTests {
  private let small = ["--width", "128", "--height", "64", "--steps", "2", "--scheduler", "ddim"]

  /// Where a picture is on a page.
  private func corner(_ path: String, on page: RGBImage) throws -> (x: Int, y: Int)? {
    let picture = try PNGFile.readPixels(path)
    for y in 0..<max(0, page.height - picture.height) {
      for x in 0..<max(0, page.width - picture.width)
      where page.color(x: x, y: y) == picture.color(x: 0, y: 0) {
        let isHere = (0..<picture.height).allSatisfy { row in
          (0..<picture.width).allSatisfy {
            page.color(x: x + $0, y: y + row) == picture.color(x: $0, y: row)
          }
        }
        if isHere { return (x, y) }
      }
    }
    return nil
  }

  @Test func everyPromptWithEveryModel() throws {
    let command = try Command()
    let (base, merged) = (command.folder + "/m/base", command.folder + "/m/merged")
    try GoldenParts.assemble("base", at: base, as: .copies)
    try GoldenParts.assemble("all-3x2", at: merged, as: .copies)
    try command.file("p.txt", Data("a zebra\n{\"prompt\": \"a fox\", \"seed\": \"random\"}\n".utf8))
    try command.withDaemon {
      let outcome = try command.run(
        [
          "compare", "--models", "\(base),\(merged)", "--prompts", "p.txt", "--output", "t.png", "--seed",
          "random",
        ]
          + small)
      #expect(outcome.code == 0 && outcome.output.hasSuffix("\n\(command.folder)/t.png\n"), "\(outcome)")
    }
    let jobs = try command.client().list()
    #expect(jobs.count == 4 && Set(jobs.map(\.model)) == [base, merged])
    // One seed for all, whoever asked for a random one.
    #expect(Set(jobs.flatMap { $0.images.map(\.seed) }).count == 1)
    let page = try PNGFile.readPixels(command.folder + "/t.png")
    var places: [String: (x: Int, y: Int)] = [:]
    for job in jobs {
      let path = try #require(job.images[0].path)
      places["\(job.prompt) \(job.model == base ? "base" : "merged")"] = try corner(path, on: page)
    }
    let zebra = try #require(places["a zebra base"]), other = try #require(places["a zebra merged"])
    let fox = try #require(places["a fox base"]), last = try #require(places["a fox merged"])
    #expect(zebra.y == other.y && fox.y == last.y && fox.y > zebra.y)
    #expect(zebra.x == fox.x && other.x == last.x && other.x > zebra.x)
    // The same again from the queue.
    let again = try command.run(
      ["sheet", "1", "--rows", "prompt", "--columns", "model", "--output", "again.png"])
    #expect(again.code == 0)
    #expect(try PNGFile.readPixels(command.folder + "/again.png") == page)
  }

  @Test func anyTwoSettings() throws {
    let command = try Command()
    let model = Places.golden("model/base")
    try command.withDaemon {
      let outcome = try command.run([
        "xy", "a zebra", "--x", "steps=1..3", "--y", "guidance=1,7.5", "--model", model, "--output", "t.png",
        "--width", "128", "--height", "64", "--scheduler", "ddim", "--json",
      ])
      #expect(outcome.code == 0, "\(outcome)")
      let last = try #require(outcome.output.split(separator: "\n").last)
      let facts = try #require(try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
      #expect(facts["output"] as? String == command.folder + "/t.png" && facts["pictures"] as? Int == 6)
      #expect(facts["batch"] as? Int == 1 && facts["missing"] as? Int == 0)
    }
    let page = try PNGFile.readPixels(command.folder + "/t.png")
    var columns: [Int: Set<Int>] = [:]
    var rows: [Double: Set<Int>] = [:]
    for job in try command.client().list() {
      let request = try command.client().details(job: job.id).job.request.render
      let path = try #require(job.images[0].path)
      let place = try #require(try corner(path, on: page))
      columns[request.steps, default: []].insert(place.x)
      rows[request.guidance, default: []].insert(place.y)
    }
    #expect(columns.values.allSatisfy { $0.count == 1 } && rows.values.allSatisfy { $0.count == 1 })
    let left = [1, 2, 3].compactMap { columns[$0]?.first }, top = [1.0, 7.5].compactMap { rows[$0]?.first }
    #expect(left.count == 3 && left == left.sorted() && top.count == 2 && top[0] < top[1])
  }

  /// A failed picture has a place that says why; the sheet is written, and the exit code says that it is not whole.
  @Test func whatFailsIsOnTheSheet() throws {
    let command = try Command()
    let session = try command.daemon(beats: true)
    try command.file("p.txt", Data("a zebra\n".utf8))
    let (output, errors) = (Pipe(), Pipe())
    let process = try command.start(
      ["compare", "--models", "m,n", "--prompts", "p.txt", "--output", "t.png"],
      output: output.fileHandleForWriting, errors: errors)
    let (shown, said) = (GatheredOutput(output), GatheredOutput(errors))
    try output.fileHandleForWriting.close()
    while process.isRunning, try command.client().status().counts.queued < 2 {
      Thread.sleep(forTimeInterval: 0.02)
    }
    try command.finish(session, with: [RGBImage(width: 100, height: 100, red: 9, green: 90, blue: 200)])
    let claimed = try #require(try session.claim())
    try session.fail(claimed.lease, message: "the model is cursed", kind: .badInput)
    process.waitUntilExit()
    #expect(process.terminationStatus == 65 && shown.text().hasSuffix("\n\(command.folder)/t.png\n"))
    let complaint = said.text()
    #expect(
      complaint.contains("1 of 2 done, 1 failed") && !complaint.contains("segmoectl sheet"), "\(complaint)")
    let page = try PNGFile.readPixels(command.folder + "/t.png")
    let middle = Set((0..<page.width).map { page.color(x: $0, y: page.height / 2) })
    #expect(middle.isSuperset(of: [RGBColor(9, 90, 200), RGBColor(238, 238, 238)]))
  }

  @Test func aDryRunQueuesNothing() throws {
    let command = try Command()
    try command.file("p.txt", Data("a\nb\n".utf8))
    let table = try command(
      "compare", "--models", "m,n", "--prompts", "p.txt", "--output", "t.png", "--dry-run", "--json")
    #expect(try table.object()["jobs"] as? Int == 4)
    func requests(_ arguments: String...) throws -> [[String: Any]] {
      let outcome = try command.run(
        ["xy", "--model", "m", "--output", "t.png", "--dry-run", "--json"] + arguments)
      #expect(outcome.code == 0, "\(outcome)")
      return try #require(try outcome.object()["requests"] as? [[String: Any]])
    }
    #expect(try requests("p", "--x", "seed=1..3").map { $0["seed"] as? Int } == [1, 2, 3])
    // What has commas of its own is given several times.
    let prompts = try requests("--x", "prompt=a cat, sitting", "--x", "prompt=a dog", "--y", "steps=2,4")
    #expect(
      prompts.map { $0["prompt"] as? String } == ["a cat, sitting", "a cat, sitting", "a dog", "a dog"])
    #expect(prompts.map { $0["steps"] as? Int } == [2, 4, 2, 4])
    // What leaves work out is tried with what leaves none.
    let fast = try requests("p", "--x", "deep_cache=1..3,3:1", "--y", "token-merging=0,0.25..0.5:0.25,0.5:2")
    let whole = fast.filter { $0["deep_cache"] as? String == "1" }
    #expect(whole.map { $0["token_merging"] as? String } == ["0.0", "0.25", "0.5", "0.5:2"])
    #expect(fast.count == 16)
    #expect(Set(fast.compactMap { $0["deep_cache"] as? String }) == ["1", "2", "3", "3:1"])
    // A shared seed does not come from the place where the prompt is.
    let random = try requests("p", "--x", "guidance-rescale=0,0.5", "--seed", "random")
    #expect(random.count == 2 && random[0]["seed"] as? Int == random[1]["seed"] as? Int)
    #expect(try FileManager.default.contentsOfDirectory(atPath: command.folder) == ["p.txt"])
  }

  /// Everything is checked before anything is queued.
  @Test func mistakesQueueNothing() throws {
    let command = try Command()
    _ = try command.client()
    try command.file("p.txt", Data("a\n".utf8))
    try command.file("mine.png", Data("mine".utf8))
    let xy = ["xy", "--model", "m", "--output", "t.png"]
    let compare = ["compare", "--models", "m,n", "--prompts", "p.txt"]
    for (arguments, code, part) in [
      (compare + ["--output", "mine.png"], 65, "--force"),
      (compare + ["--output", "gone/t.png"], 66, "gone"),
      (compare + ["--output", "t.png", "--steps", "0"], 64, "--steps is 0"),
      (["compare", "--models", "m,", "--prompts", "p.txt", "--output", "t.png"], 64, "model"),
      (["compare", "--models", "m", "--prompts", "gone.txt", "--output", "t.png"], 66, "gone.txt"),
      (xy + ["p"], 64, "--x"), (xy + ["p", "--x", "steps"], 64, "steps=10,25"),
      (xy + ["p", "--x", "stpes=1,2"], 64, "did you mean 'steps'?"),
      (xy + ["p", "--x", "steps=0,1"], 64, "--steps is 0"),
      (xy + ["p", "--x", "count=1,2"], 64, "'count'"),
      (xy + ["p", "--x", "steps=1", "--y", "steps=2"], 64, "same setting"),
      (xy + ["p", "--x", "steps=1", "--x", "eta=0"], 64, "one setting"),
      (xy + ["p", "--x", "steps=1,2", "--steps", "3"], 64, "--x steps"),
      (xy + ["--x", "steps=1,2"], 64, "no prompt"),
      (xy + ["p", "--x", "prompt=q"], 64, "leave 'p' out"), (xy + ["p", "--x", "model=n"], 64, "--x model"),
    ] {
      expectComplaint(try command.run(arguments), code: Int32(code), part)
    }
    #expect(try command.client().status().counts.total == 0)
    #expect(try Data(contentsOf: URL(fileURLWithPath: command.folder + "/mine.png")) == Data("mine".utf8))
  }

  /// Whoever goes away does not lose the pictures, and is told how to get the sheet.
  @Test func anInterruptedSheetIsMadeLater() throws {
    let command = try Command()
    let base = Places.golden("model/base")
    try command.file("p.txt", Data("a zebra\n".utf8))
    let (output, errors) = (Pipe(), Pipe())
    let process = try command.start(
      ["compare", "--models", base, "--prompts", "p.txt", "--output", "my table.png"] + small,
      output: output.fileHandleForWriting, errors: errors)
    try errors.fileHandleForWriting.close()
    let said = Collector(errors.fileHandleForReading)
    // It waits by now.
    while process.isRunning && !said.text.contains("waiting for one to start") {
      Thread.sleep(forTimeInterval: 0.02)
    }
    process.interrupt()
    process.waitUntilExit()
    said.wait()
    #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == SIGINT)
    let line = "segmoectl sheet 1 --rows prompt --columns model --output 'my table.png'"
    #expect(said.text.contains("batch 1 stays queued; `\(line)`"), "\(said.text)")
    #expect(try command.client().status().counts.queued == 1)
    try command.withDaemon {
      let watched = try command("watch")
      #expect(watched.code == 0)
    }
    let outcome = try command(
      "sheet", "1", "--rows", "prompt", "--columns", "model", "--output", "my table.png")
    #expect(outcome.code == 0)
    let path = try #require(try command.client().list()[0].images[0].path)
    #expect(try corner(path, on: PNGFile.readPixels(command.folder + "/my table.png")) != nil)
  }
}
