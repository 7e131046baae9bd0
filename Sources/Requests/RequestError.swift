/// Why a request is refused.
package enum RequestError: Error, Equatable {
  /// A setting's value is malformed or out of range. `rule` says what is allowed.
  case invalid(setting: String, value: String, rule: String)
  /// There is no setting of that name.
  case unknownSetting(name: String, known: [String])
  /// A value in JSON has the wrong type.
  case wrongKind(setting: String, wanted: String)
  /// A JSON object without a prompt.
  case noPrompt
  /// A file that a setting names is not there.
  case missingFile(setting: String, path: String)
  /// A link or card that a setting names is none that can be pulled.
  case noSource(setting: String, SourceError)
}

extension RequestError {
  /// The setting, or the key, that it is about; nil for a request without a prompt.
  package var setting: String? {
    switch self {
    case .invalid(let setting, _, _), .wrongKind(let setting, _), .missingFile(let setting, _),
      .noSource(let setting, _):
      setting
    case .unknownSetting(let name, _): name
    case .noPrompt: nil
    }
  }
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
    case .noSource(let setting, let error): "\(setting) \(error)"
    }
  }
}
