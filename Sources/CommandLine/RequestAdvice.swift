import Boundary
import Requests

extension RequestError {
  /// The message with the nearest right thing, for a file, where a setting goes by its own name.
  package var advice: String {
    switch self {
    case .unknownSetting(let name, let known):
      "unknown key \"\(name)\": \(Nearest.advice(name, among: known))"
    case .invalid(let setting, let value, let rule):
      "\(setting) is \(value): \(near(value, of: setting))\(rule)"
    default: description
    }
  }

  /// The same for a command line, where a setting goes by the name of its option.
  package var optionText: String {
    guard case .invalid(let setting, let value, let rule) = self, Setting.named(setting) != nil,
      setting != "model", setting != "prompt"
    else { return advice }
    // Names with an underscore are no words of a sentence.
    let options = Setting.all.map(\.name).filter { $0.contains("_") }.reduce(rule) {
      $0.replacing($1, with: Self.option($1))
    }
    return "\(Self.option(setting)) is \(value): \(near(value, of: setting))\(options)"
  }

  private static func option(_ setting: String) -> String {
    let plural = ["loras": "lora", "embeddings": "embedding"]
    return "--" + (plural[setting] ?? setting).split(separator: "_").joined(separator: "-")
  }

  /// The word that was meant, if the setting has only certain words.
  private func near(_ value: String, of setting: String) -> String {
    let words =
      switch setting {
      case "scheduler": SchedulerName.allCases.map(\.rawValue)
      case "sigmas": SigmaName.allCases.map(\.rawValue)
      case "precision": Precision.allCases.map(\.rawValue)
      default: [String]()
      }
    let typed = value.filter { $0 != "'" && $0 != "\"" }
    // A right word may be wrong beside another setting.
    guard !words.contains(typed) else { return "" }
    return Nearest.nearest(typed, among: words).map { "did you mean '\($0)'? Else " } ?? ""
  }
}
