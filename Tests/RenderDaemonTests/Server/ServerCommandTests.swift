import Foundation
import JobStore
import TestSupport
import Testing

/// The built segmoectl and segmoed on a queue of PostgreSQL: what waits, watches and looks.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ServerCommandTests {
  /// The lines of an output, each a JSON object.
  private func objects(_ text: String) throws -> [[String: Any]] {
    try text.split(separator: "\n").compactMap {
      try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
  }

  @Test func waitingForABatch() throws {
    let house = try ServerHouse()
    let daemon = try house.daemon()
    defer { house.stop(daemon) }
    let outcome = try house.segmoectl(
      "enqueue", "a fox", "an owl", "--model", "tiny", "--width", "96", "--height", "96", "--steps", "2",
      "--wait", "--json", "--notify", "cat > told; env | grep '^SEGMOE' >> told")
    #expect(outcome.code == 0, "\(outcome) \(house.words)")
    let said = try objects(outcome.output)
    #expect(said.map { $0["batch"] as? Int } == [1, 1] && said.last?["done"] as? Int == 2)
    let told = house.read("told").split(separator: "\n").map(String.init)
    #expect(Array(told.prefix(2)) == [house.file("out/1/1-0.png"), house.file("out/1/2-0.png")])
    // Whatever it starts is on the same queue.
    #expect(told.contains("SEGMOE_DATABASE=\(house.address)"))
    #expect(told.contains("SEGMOECTL_DONE=2") && told.contains("SEGMOECTL_EXIT=0"))
  }

  /// Each event is a line, once.
  @Test func watchingABatch() throws {
    let house = try ServerHouse()
    _ = try house.enqueue(steps: 2)
    let made = try house.segmoectl(
      "enqueue", "p", "--model", "tiny", "--width", "96", "--height", "96", "--steps", "2", "--after", "1")
    #expect(made.code == 0, "\(made)")
    let watch = try house.client(["watch", "--batch", "2", "--json"])
    try Data().write(to: URL(fileURLWithPath: house.file("watched")))
    watch.standardOutput = FileHandle(forWritingAtPath: house.file("watched"))
    watch.standardError = FileHandle.nullDevice
    try watch.run()
    // What it waits for is said at the first look.
    try house.wait { house.read("watched").hasSuffix("\n") }
    let daemon = try house.daemon()
    defer { house.stop(daemon) }
    watch.waitUntilExit()
    #expect(watch.terminationStatus == 0, "\(house.words)")
    let lines = try objects(house.read("watched"))
    #expect(lines.first?["waiting_for"] as? String == "batch batch-1")
    let events = lines.filter { $0["event"] != nil }
    #expect(events.map { $0["event"] as? String } == ["claimed", "done"])
    #expect(events.last?["pictures"] as? [String] == [house.file("out/2/2-0.png")])
    #expect(try house.segmoectl("watch").output == "no job is waiting or running\n")
    let missing = try house.segmoectl("watch", "7")
    #expect(missing.code == 65 && missing.errors.contains("there is no job 7"), "\(missing)")
  }

  /// The daemon says which models there are, and a wrong name is refused.
  @Test func modelsAndTheirNames() throws {
    let house = try ServerHouse()
    let daemon = try house.daemon()
    defer { house.stop(daemon) }
    try house.wait { try house.client.knownModels().isComplete }
    let models = try house.segmoectl("models", "--json").list()
    #expect(models.map { $0["name"] as? String } == ["tiny"])
    #expect(models.first?["path"] as? String == house.file("models/tiny"))
    let wrong = try house.segmoectl("enqueue", "p", "--model", "tinny")
    #expect(wrong.code == 66 && wrong.errors.contains("did you mean 'tiny'?"), "\(wrong)")
    let rerun = try house.segmoectl("rerun", "1")
    #expect(rerun.code == 65 && rerun.errors.contains("there is no job 1"), "\(rerun)")
    #expect(try house.client.status().counts.total == 0)
  }

  /// Sheets, comparisons and statistics of what was rendered.
  @Test func whatWasRendered() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: 2)
    let daemon = try house.daemon()
    defer { house.stop(daemon) }
    try house.wait { try house.client.details(job: id).job.state == .done }
    let rerun = try house.segmoectl("rerun", "\(id)", "--json")
    #expect(rerun.code == 0, "\(rerun) \(house.words)")
    let images = try #require(try rerun.object()["images"] as? [[String: Any]])
    #expect(images.map { $0["same"] as? Bool } == [true, true])
    let statistics = try house.segmoectl("stats", "--json").list()
    #expect(statistics.map { $0["jobs"] as? Int } == [2] && statistics.first?["images"] as? Int == 4)
    let sheet = try house.segmoectl("sheet", "1", "--output", "sheet.png", "--json").object()
    #expect(sheet["pictures"] as? Int == 2 && sheet["missing"] as? Int == 0)
    let table = try house.segmoectl(
      "xy", "a cat", "--model", "tiny", "--x", "steps=2,3", "--y", "seed=1,2", "--width", "96", "--height",
      "96",
      "--output", "xy.png")
    #expect(table.code == 0 && table.output.hasSuffix("\(house.file("xy.png"))\n"), "\(table) \(house.words)")
    try Data("a dog\na 100% DOG\n".utf8).write(to: URL(fileURLWithPath: house.file("prompts.txt")))
    let compared = try house.segmoectl(
      "compare", "--models", "tiny", "--prompts", "prompts.txt", "--steps", "2", "--width", "96", "--height",
      "96",
      "--output", "compared.png", "--json")
    #expect(compared.code == 0, "\(compared) \(house.words)")
    let found = try house.segmoectl("list", "--prompt", "0% dog", "--json").list()
    #expect(found.map { $0["prompt"] as? String } == ["a 100% DOG"])
    #expect(FileManager.default.fileExists(atPath: house.file("sheet.png")))
  }

  @Test func whatKeepsAQueueFromWorking() throws {
    let house = try ServerHouse()
    _ = try house.enqueue(steps: 2)
    let outcome = try house.segmoectl("doctor", "--json", "--database", house.address + "&password=s3cret")
    #expect(!(outcome.output + outcome.errors).contains("s3cret"))
    let report = try outcome.object()
    let findings = try #require(report["findings"] as? [[String: Any]])
    func states(_ subject: String) -> [String] {
      findings.filter { $0["subject"] as? String == subject }.compactMap { $0["state"] as? String }
    }
    #expect(states("server") == ["ok"] && states("link") == ["ok"] && states("rights") == ["ok"])
    // Nobody renders what is queued.
    #expect(states("daemon") == ["warn"])
    #expect((report["database"] as? String)?.hasPrefix("postgresql://postgres@") == true)
  }

  /// There is one of an image at work, and none of a job that is over.
  @Test func previewsOfWhatIsAtWork() throws {
    let house = try ServerHouse()
    // More than it renders until then.
    let id = try house.enqueue(steps: 900) { $0.count = 50 }
    let daemon = try house.daemon(previews: true)
    defer { house.stop(daemon) }
    try house.wait { try !house.client.previews(jobs: [id]).isEmpty }
    #expect(try house.client.cancel(.job(id), discard: false).stopping == 1)
    try house.wait { try house.client.details(job: id).job.state == .cancelled }
    #expect(try house.client.previews(jobs: [id]).isEmpty)
  }
}
