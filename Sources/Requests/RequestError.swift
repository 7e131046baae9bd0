/// Why a request cannot be what was meant.
package enum RequestError: Error, Equatable {
  /// A setting's value is no such thing or out of its range; `rule` says what would be right.
  case invalid(setting: String, value: String, rule: String)
  /// A setting that there is not.
  case unknownSetting(name: String, known: [String])
  /// A value in JSON that is of the wrong kind.
  case wrongKind(setting: String, wanted: String)
  /// No prompt in an object that needs one.
  case noPrompt
  /// A file that a setting names is not there.
  case missingFile(setting: String, path: String)
}

extension RequestError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .invalid(let setting, let value, let rule): "\(setting) is \(value): \(rule)"
    case .unknownSetting(let name, let known):
      "unknown key \"\(name)\"; known are \(known.joined(separator: ", "))"
    case .wrongKind(let setting, let wanted): "\"\(setting)\" must be \(wanted)"
    case .noPrompt: "has no \"prompt\"; every request needs one"
    case .missingFile(let setting, let path): "\(setting) \(path) is not there: check the path"
    }
  }
}

extension RequestError {
  /// For a mistake on a command line: a setting by the name of its option.
  package var optionText: String {
    guard case .invalid(let setting, let value, let rule) = self, Setting.named(setting) != nil,
      setting != "model", setting != "prompt"
    else { return description }
    let plural = ["loras": "lora", "embeddings": "embedding"]
    let option = (plural[setting] ?? setting).split(separator: "_").joined(separator: "-")
    return "--\(option) is \(value): \(rule)"
  }
}
