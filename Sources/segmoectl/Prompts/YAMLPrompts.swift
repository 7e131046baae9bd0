import CommandLine
import Configuration
import Requests

/// A YAML list of prompts and of mappings with settings, or one such mapping.
struct YAMLPrompts: PromptReader {
  private var items: ArraySlice<YAMLNode>
  private let name: String

  /// Larger files are better written as JSON Lines, which are read a line at a time.
  private static let limits = YAMLLimits(bytes: 64 << 20, nodes: 2_000_000)

  /// - Parameters:
  ///   - bytes: the whole text.
  ///   - name: the name of the file.
  /// - Throws: `Problem.badInput` naming line and column.
  init(_ bytes: [UInt8], name: String) throws {
    self.name = name
    let document: YAMLDocument
    do throws(YAMLError) {
      document = try YAMLDocument(parsing: bytes, file: name, limits: Self.limits)
    } catch {
      if case .empty = error {
        items = []
        return
      }
      throw Problem.badInput("\(error)")
    }
    switch document.root.content {
    case .sequence(let nodes): items = nodes[...]
    case .mapping: items = [document.root]
    case .scalar:
      throw Problem.badInput("\(document.root.position): is no list; write '- ' before every prompt")
    }
  }

  mutating func next() throws -> FoundPrompt? {
    guard let node = items.popFirst() else { return nil }
    return FoundPrompt(content: try Self.content(node), place: "\(node.position)")
  }

  private static func content(_ node: YAMLNode) throws -> FoundPrompt.Content {
    switch node.content {
    case .scalar(let scalar) where scalar.value != .null: return .plain(scalar.text)
    case .mapping(let entries):
      do {
        return .settings(try PromptLine.parse(node.json))
      } catch let error as RequestError {
        let key = error.setting
        let place = entries.first { $0.key == key }?.position ?? node.position
        throw Problem.badInput("\(place): \(error.advice)")
      } catch let problem as Problem {
        throw problem.at("\(node.position)")
      }
    default:
      throw Problem.badInput("\(node.position): must be a prompt, or a mapping with a 'prompt'")
    }
  }
}
