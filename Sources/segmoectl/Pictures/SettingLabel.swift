import Boundary
import CommandLine
import Foundation
import Requests

/// A setting as a few words on a sheet.
enum SettingLabel {
  /// The setting that somebody names, as an option or a column.
  /// - Parameters:
  ///   - text: such as `guidance-rescale` or `guidance_rescale`.
  ///   - option: what it was given to.
  /// - Throws: `Problem.usage`
  static func setting(_ text: String, of option: String) throws -> Setting {
    let name = text.replacing("-", with: "_")
    let plural = ["lora": "loras", "embedding": "embeddings"]
    // How many pictures there are says nothing of any one of them.
    let known = Setting.all.map(\.name).filter { $0 != "count" }
    guard known.contains(plural[name] ?? name), let setting = Setting.named(plural[name] ?? name) else {
      throw Problem.usage(
        "--\(option) '\(text)' names no setting of a picture: \(Nearest.advice(name, among: known))")
    }
    return setting
  }

  /// What a request has: `a red fox`, `steps 25`, `vae none`.
  /// - Parameters:
  ///   - setting: of the request.
  ///   - request: of one picture.
  ///   - isWhole: whether a model's path stays whole, since two have the same last part.
  static func text(_ setting: Setting, _ request: RenderRequest, isWhole: Bool = false) -> String {
    switch setting.name {
    case "prompt": return request.prompt.isEmpty ? "(empty prompt)" : request.prompt
    case "model": return isWhole ? request.model : JobTable.model(request.model)
    case "loras":
      return "lora " + list(request.loras.map { "\(fileName($0.path)):\(number($0.weight))" })
    case "embeddings": return "embedding " + list(request.embeddings.map { $0.token ?? fileName($0.path) })
    default:
      let text = setting.text(request)
      // 7 rather than 7.0.
      let short = text.hasSuffix(".0") ? String(text.dropLast(2)) : text
      let value = text.isEmpty ? "default" : text.hasPrefix("/") ? fileName(text) : short
      return "\(setting.name.replacing("_", with: " ")) \(value)"
    }
  }

  private static func list(_ names: [String]) -> String {
    names.isEmpty ? "none" : names.joined(separator: ", ")
  }

  private static func fileName(_ path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }

  private static func number(_ value: Double) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }
}
