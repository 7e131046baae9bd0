import Checkpoints
import Foundation
import Requests

/// The model card of a merged model: it tells people and the hub's search what was merged.
package struct ModelCard {
  private let name: String
  private let recipe: [String: JSONValue]
  private let isXL: Bool

  /// Reads a folder's `unet/config.json`.
  /// - Returns: nil if the folder is not a merged model.
  package init?(folder: String, name: String) {
    guard
      let json = try? JSONValue(
        contentsOf: folder + "/unet/config.json", purpose: "the UNet's configuration"),
      case .object(let config) = json, case .object(let recipe) = config["segmoe_config"]
    else { return nil }
    self.name = name
    self.recipe = recipe
    isXL = recipe["type"] == .string("sdxl")
  }

  /// The card's text, with front matter for the hub.
  /// - Parameter samples: the paths of pictures in the repository.
  package func text(samples: [String] = []) -> String {
    var lines = [
      "---", "library_name: diffusers", "pipeline_tag: text-to-image", "tags:", "- segmoe", "- moe",
    ]
    lines.append(isXL ? "- stable-diffusion-xl" : "- stable-diffusion")
    let cards = self.cards
    if !cards.isEmpty { lines += ["base_model:"] + cards.map { "- \($0)" } + ["base_model_relation: merge"] }
    if let sample = samples.first {
      lines += [
        "widget:", "- text: \(quoted(prompts.first ?? ""))", "  output:", "    url: \(quoted(sample))",
      ]
    }
    lines += ["---", "", "# \(name)", ""]
    lines.append(
      "A mixture of \(experts.count) experts, \(perToken) of them for each token, merged with segmoe.")
    lines += ["", "| part | model | prompt | negative prompt |", "|---|---|---|---|"]
    lines.append("| base | \(cell(text(recipe["base_model"]))) | | |")
    for (index, expert) in experts.enumerated() {
      let cells = ["source_model", "positive_prompt", "negative_prompt"].map { cell(text(expert[$0])) }
      lines.append("| expert \(index + 1) | \(cells.joined(separator: " | ")) |")
      for lora in objects(expert["loras"]) {
        lines.append("| its LoRA | \(cell(text(lora["source_model"]))) | | |")
      }
    }
    for lora in objects(recipe["loras"]) {
      lines.append("| LoRA | \(cell(text(lora["source_model"]))) | | |")
    }
    for sample in samples { lines += ["", "![\(sample)](\(sample))"] }
    return lines.joined(separator: "\n") + "\n"
  }

  private var experts: [[String: JSONValue]] { objects(recipe["experts"]) }
  private var perToken: Int { recipe["num_experts_per_tok"]?.wholeNumber ?? 1 }
  private var prompts: [String] { experts.map { text($0["positive_prompt"]) }.filter { !$0.isEmpty } }

  /// The sources that are repositories, each once.
  private var cards: [String] {
    var seen: Set<String> = []
    let sources = [text(recipe["base_model"])] + experts.map { text($0["source_model"]) }
    return sources.filter { RepositoryID($0) != nil && seen.insert($0).inserted }
  }

  private func text(_ value: JSONValue?) -> String {
    if case .string(let text) = value { text } else { "" }
  }

  private func objects(_ value: JSONValue?) -> [[String: JSONValue]] {
    guard case .array(let values) = value else { return [] }
    return values.compactMap { if case .object(let members) = $0 { members } else { nil } }
  }

  /// A text for a cell of a table.
  private func cell(_ text: String) -> String {
    text.replacing("|", with: "\\|").split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  /// A text for YAML, on one line, quoted as in JSON.
  private func quoted(_ text: String) -> String { JSONValue.string(text).text }
}
