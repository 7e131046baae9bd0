import Foundation
import JobStore
import TestSupport
import Testing

/// `--format`: a line a row, of members of the row's JSON.
@Suite struct RowFormatTests {
  /// Two jobs with two pictures each: one is done, one is queued.
  private func queue() throws -> (command: Command, session: WorkerSession) {
    let command = try Command()
    let session = try command.daemon()
    _ = try command(
      "enqueue", "a \"red\"\tfox\nin {snow}\u{1B}[2J", "tiger, big", "--model", "m", "--count", "2", "--seed",
      "5",
      "--negative-prompt", "blurry")
    try command.render(session)
    return (command, session)
  }

  private func lines(_ command: Command, _ arguments: String...) throws -> [String] {
    let outcome = try command.run(arguments)
    #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
    return outcome.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
  }

  @Test(arguments: [
    ("{id}", "1", "2"), ("{id}\\t{state}", "1\tdone", "2\tqueued"),
    ("job {id}, \\{{batch}\\}", "job 1, {1}", "job 2, {1}"),
    // Text stays in its line and moves no cursor.
    ("{prompt}", "a \"red\"\\tfox\\nin {snow}\\u{1B}[2J", "tiger, big"), ("{id}\\\\n", "1\\n", "2\\n"),
    ("{images.path}", "/out/1-0.png,/out/1-1.png", ""), ("{images.1.path}", "/out/1-1.png", ""),
    ("{images.seed}", "5,6", "5,6"), ("{images.7.seed}", "", ""), ("[{error}]", "[]", "[]"),
    ("{held} {priority}", "false 0", "false 0"), ("fox", "fox", "fox"), ("{id}\\n-", "1\n-", "2\n-"),
  ])
  func aLineARow(template: String, first: String, second: String) throws {
    let (command, session) = try queue()
    #expect(try lines(command, "list", "--format", template).joined(separator: "\n") == "\(first)\n\(second)")
    #expect(session.name == "w")
  }

  /// What is JSON in JSON is JSON here, and is the same.
  @Test func objectsAreJSON() throws {
    let (command, session) = try queue()
    let printed = try lines(
      command, "show", "1", "--format",
      "{settings}|{settings.steps}|{settings.negative_prompt}|{settings.vae}")
    let cells = try #require(printed.first).split(separator: "|", omittingEmptySubsequences: false).map(
      String.init)
    #expect(cells.count == 4 && cells.dropFirst() == ["25", "blurry", ""])
    let whole = try JSONNode(command("show", "1", "--json").output)
    #expect(try JSONNode(cells[0]) == whole["settings"])
    let images = try #require(try lines(command, "show", "1", "--format", "{images}").first)
    #expect(try JSONNode(images) == whole["images"])
    #expect(session.name == "w")
  }

  @Test func everyMemberCanBeChosen() throws {
    let (command, session) = try queue()
    try session.register(ModelRecord(name: "m", path: "/models/m", kind: "sd"), loaded: true)
    for subcommand in [["list"], ["show", "1"], ["models"], ["stats"], ["status"]] {
      let json = try JSONNode(try command.run(subcommand + ["--json"]).output)
      let row = json.list?.first ?? json
      let names = try #require(row.object).keys.sorted()
      let template = names.map { "{\($0)}" }.joined(separator: "\\t")
      let outcome = try command.run(subcommand + ["--format", template])
      #expect(outcome.code == 0, "\(outcome)")
      let cells = try #require(outcome.output.split(separator: "\n").first).split(
        separator: "\t", omittingEmptySubsequences: false)
      #expect(cells.count == names.count)
      for (name, cell) in zip(names, cells) {
        if case .number(let number)? = row[name] { #expect(Double(cell) == number, "\(name)") }
        if case .string(let text)? = row[name], !text.contains("\n"), !text.contains("\u{1B}") {
          #expect(String(cell) == text, "\(name)")
        }
        if row[name] == .null { #expect(cell == "", "\(name)") }
      }
    }
  }

  @Test func partsOfTheStatusAreOneLine() throws {
    let (command, session) = try queue()
    #expect(
      try lines(command, "status", "--format", "{queued}/{done} {workers.name} {batches.0.name} {fetchers}")
        == ["1/1 w batch-1 "])
    #expect(session.name == "w")
  }

  /// Nothing stops at a hundred, and an empty queue has no line.
  @Test func allRowsAreThere() throws {
    let command = try Command()
    let prompts = (0..<150).map { "\($0)" }.joined(separator: "\n")
    _ = try command.client()
    #expect(try lines(command, "list", "--format", "{id}") == [])
    #expect(try command("enqueue", "--model", "m", input: Data(prompts.utf8)).code == 0)
    #expect(try lines(command, "list", "--format", "{id}") == (1...150).map { "\($0)" })
    #expect(try command("list", "--json").list().count == 150)
    #expect(
      try lines(command, "list", "--format", "{id}", "--limit", "2", "--prompt", "1") == ["149", "150"])
  }

  /// Members are known without a row, and are those of the JSON.
  @Test func unknownMembersAreRefused() throws {
    let command = try Command()
    _ = try command.client()
    for (arguments, parts) in [
      (["list", "--format", "{idd}"], ["'idd'", "did you mean 'id'?", "id, batch, state, "]),
      (
        ["list", "--format", "{images.pth}"],
        ["{images.pth}", "below {images}", "did you mean 'path'?", "seconds_per_step"]
      ),
      (["list", "--format", "{images.0.pth}"], ["did you mean 'path'?"]),
      (["list", "--format", "{prompt.0}"], ["nothing is below {prompt}"]),
      (["list", "--format", "{images.-1.path}"], ["'-1'"]),
      (["show", "1", "--format", "{settings.stpes}"], ["did you mean 'steps'?"]),
      (["status", "--format", "{paussed}"], ["did you mean 'paused'?"]),
      (["models", "--format", "{}"], ["no ''", "name, path"]),
      (["stats", "--format", "{statistics.hits}"], ["cache_hits"]),
    ] {
      let outcome = try command.run(arguments)
      expectComplaint(outcome, code: 64, "--format")
      for part in parts { #expect(outcome.errors.contains(part), "\(part) is not in: \(outcome.errors)") }
    }
  }
}
