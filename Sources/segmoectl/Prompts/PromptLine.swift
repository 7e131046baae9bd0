import CommandLine
import Foundation
import Requests

/// A line of JSON with one prompt and settings of its own.
package struct PromptLine: Decodable {
  /// Its settings, the prompt among them.
  package let draft: RequestDraft
  /// Higher goes first; nil: the command line's.
  package let priority: Int?

  /// - Parameters:
  ///   - draft: its settings, the prompt among them.
  ///   - priority: nil: as the command line says.
  init(draft: RequestDraft, priority: Int?) {
    self.draft = draft
    self.priority = priority
  }

  /// Reads a JSON object.
  /// - Throws: `RequestError` for what it says; `Problem.badInput`, without the place, for what is no object.
  package static func parse(_ text: String) throws -> PromptLine {
    do {
      return try JSONDecoder().decode(PromptLine.self, from: Data(text.utf8))
    } catch let error as RequestError {
      throw error
    } catch {
      throw Problem.badInput("is no JSON object that can be read: a number may be too large")
    }
  }

  /// Reads JSON text; nil for anything else.
  static func string(_ text: String) -> String? {
    try? JSONDecoder().decode(String.self, from: Data(text.utf8))
  }

  package init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: SettingKey.self)
    draft = try RequestDraft(members, beside: ["priority"])
    guard draft.given.contains("prompt") else { throw RequestError.noPrompt }
    do {
      priority = try members.decodeIfPresent(Int.self, forKey: SettingKey("priority"))
    } catch {
      throw RequestError.wrongKind(setting: "priority", wanted: Int.kind)
    }
  }
}
