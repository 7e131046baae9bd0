import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// The published schemas against the programs: none is missing, none is left over, and each says what it must.
@Suite struct CommandSchemaTests {
  private let published: PublishedSchemas

  init() throws { published = try PublishedSchemas() }

  /// A command, as `--experimental-dump-help` describes it.
  private struct Described: Decodable {
    struct Argument: Decodable {
      struct Name: Decodable { let name: String }
      let names: [Name]?
    }

    let commandName: String
    let arguments: [Argument]?
    let subcommands: [Described]?

    /// The names of all commands with `--json`, such as `segmoectl-list`.
    func named(below path: [String] = []) -> [String] {
      let path = path + [commandName]
      let names = (arguments ?? []).flatMap { ($0.names ?? []).map(\.name) }
      let own = names.contains("json") ? [path.joined(separator: "-")] : []
      return own + (subcommands ?? []).flatMap { $0.named(below: path) }
    }
  }

  private struct Help: Decodable { let command: Described }

  /// What is no command's output.
  private static let parts: Set = ["job", "batch", "source", "statistics", "prompt", "prompt-file"]

  @Test(arguments: ["segmoectl", "segmoe", "segmoed"])
  func everyCommandWithJSONHasASchema(program: String) throws {
    let outcome = try BuiltProgram.run(program, ["--experimental-dump-help"])
    let help = try JSONDecoder().decode(Help.self, from: Data(outcome.output.utf8))
    let commands = Set(help.command.named())
    let schemas = Set(published.folder.names.filter { $0.hasPrefix(program + "-") })
    #expect(!commands.isEmpty)
    #expect(
      commands.subtracting(schemas) == [], "docs/schemas lacks these: CONTRIBUTING.md says how to add them")
    #expect(schemas.subtracting(commands) == [], "no command is called that, or it has no --json")
  }

  @Test func everySchemaIsOfACommandOrAPart() {
    let programs = ["segmoectl-", "segmoe-", "segmoed-"]
    let others = published.folder.names.filter { name in !programs.contains { name.hasPrefix($0) } }
    #expect(Set(others) == Self.parts)
  }

  @Test func everyMemberIsExplained() throws {
    for name in published.folder.names {
      let members = published.folder.members(of: name)
      #expect(name == "segmoe-tokenize" || !members.isEmpty, "\(name)")
      for (place, _) in members { #expect(published.folder.description(of: place) != nil, "\(place)") }
      let root = try #require(published.folder.node(SchemaPlace(document: name + ".json")))
      #expect(root["$schema"] != nil && root["title"] != nil, "\(name)")
    }
  }

  /// Shapes grow: a script that checks with a schema of today takes tomorrow's output. What people write does not grow by
  /// mistakes.
  @Test func outputsMayGrowAndPromptsMayNot() throws {
    var open = 0
    for (document, isPrompt) in published.folder.names.map({ ($0 + ".json", $0.hasPrefix("prompt")) }) {
      func visit(_ node: JSONNode, _ place: String) {
        if let members = node.object {
          if members["properties"]?.object != nil, members["type"] != nil {
            #expect(members["additionalProperties"] == .bool(!isPrompt), "\(place)")
            open += 1
          }
          for (key, value) in members { visit(value, "\(place)/\(key)") }
        }
        for (index, value) in (node.list ?? []).enumerated() { visit(value, "\(place)/\(index)") }
      }
      visit(try #require(published.folder.node(SchemaPlace(document: document))), document)
    }
    #expect(open > 30)
  }

  /// The words of the schemas are those of the programs.
  @Test func wordsAreThoseOfThePrograms() throws {
    func words(_ document: String, _ path: String..., under key: String = "enum") throws -> [String] {
      let node = try #require(published.folder.node(SchemaPlace(document: document, path: path + [key])))
      return try #require(node.list).compactMap(\.string)
    }
    #expect(try words("job.json", "properties", "state") == JobState.allCases.map(\.rawValue))
    #expect(try words("job.json", "properties", "error_kind") == FailureKind.allCases.map(\.rawValue))
    #expect(
      try words("job.json", "$defs", "image", "properties", "phase") == RenderPhase.allCases.map(\.rawValue))
    #expect(try words("source.json", "properties", "state") == SourceState.allCases.map(\.rawValue))
    #expect(
      try words("segmoectl-status.json", "properties", "workers", "items", "properties", "state")
        == WorkerState.allCases.map(\.rawValue))
    let events = Event.Kind.allCases.map(\.rawValue)
    #expect(try words("segmoectl-watch.json", "$defs", "event", "properties", "event") == events)
    #expect(
      try words("segmoectl-show.json", "properties", "events", "items", "properties", "what") == events)
    let schedulers = SchedulerName.allCases.map(\.rawValue)
    #expect(try words("prompt.json", "properties", "scheduler", under: "examples") == schedulers)
    #expect(
      try words("prompt.json", "properties", "sigmas", under: "examples")
        == SigmaName.allCases.map(\.rawValue))
    #expect(try words("prompt.json", "properties", "precision") == Precision.allCases.map(\.rawValue))
    for place in [["properties", "settings"], ["$defs", "preview", "properties", "requests", "items"]] {
      let document = place.first == "properties" ? "segmoectl-show.json" : "segmoectl-enqueue.json"
      let printed = SchemaPlace(document: document, path: place + ["properties", "scheduler", "enum"])
      #expect(published.folder.node(printed)?.list?.compactMap(\.string) == schedulers)
    }
  }
}
