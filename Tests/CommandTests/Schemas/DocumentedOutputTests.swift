import Foundation
import TestSupport
import Testing

/// The page about JSON: it has every schema, and an example of each that is one.
@Suite struct DocumentedOutputTests {
  /// A command of the page, and the values that stand below it.
  private struct Example {
    let command: String
    var values: [String] = []

    /// The command's schema: `segmoectl-list`.
    var schema: String { command.split(separator: " ").prefix(2).joined(separator: "-") }
  }

  /// The commands with `--json` in blocks of code. A value begins where a line begins with a bracket.
  private static func examples(in page: String) -> [Example] {
    var examples: [Example] = []
    var isCode = false
    for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("```") {
        isCode.toggle()
      } else if isCode, line.hasPrefix("$ ") {
        examples.append(Example(command: String(line.dropFirst(2))))
      } else if isCode, !examples.isEmpty {
        let last = examples.count - 1
        if line.hasPrefix("{") || line.hasPrefix("[") {
          examples[last].values.append(String(line))
        } else if let value = examples[last].values.popLast() {
          examples[last].values.append("\(value)\n\(line)")
        }
      }
    }
    return examples.filter { $0.command.contains(" --json") && !$0.values.isEmpty }
  }

  @Test func everySchemaIsLinkedAndEveryExampleIsOne() throws {
    let published = try PublishedSchemas()
    let page = try String(contentsOfFile: Places.inRepository("docs/json.md"), encoding: .utf8)
    let examples = Self.examples(in: page)
    for name in published.folder.names {
      #expect(page.contains("(schemas/\(name).json)"), "docs/json.md does not link \(name).json")
      guard name.hasPrefix("segmoe") else { continue }
      #expect(examples.contains { $0.schema == name }, "docs/json.md has no example of \(name)")
    }
    for example in examples {
      for value in example.values {
        let verdict = published.folder.judge(try JSONNode(value), by: example.schema, isClosed: true)
        #expect(verdict.faults == [], "\(example.command)")
      }
    }
  }
}
