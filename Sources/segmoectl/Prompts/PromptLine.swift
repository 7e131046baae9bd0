import CommandLine
import Foundation
import Requests

/// A line of JSON with one prompt and settings of its own.
package struct PromptLine: Decodable {
  /// Its settings, the prompt among them.
  package let draft: RequestDraft
  /// Higher goes first; nil: as the command line says.
  package let priority: Int?

  /// - Throws: `Problem.badInput`, without the place.
  package static func parse(_ line: String) throws -> PromptLine {
    do {
      return try JSONDecoder().decode(PromptLine.self, from: Data(line.utf8))
    } catch let error as RequestError {
      throw Problem.badInput(error.description)
    } catch {
      throw Problem.badInput(
        "starts with { but is not JSON; mend it, or write a prompt with a brace as {\"prompt\": \"{…\"}")
    }
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
