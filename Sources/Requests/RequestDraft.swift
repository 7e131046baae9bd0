/// Settings as far as they were given: on a command line, in a line of JSON, in a table.
package struct RequestDraft: Sendable, Equatable {
  /// What was given; defaults elsewhere.
  package internal(set) var request = RenderRequest()
  /// The names of the settings that were given.
  package internal(set) var given: Set<String> = []

  /// Nothing is given.
  package init() {}

  /// Takes a setting from a text.
  /// - Throws: `RequestError.invalid` for a text that is no such value, `.unknownSetting`.
  package mutating func read(_ name: String, _ text: String) throws {
    guard let setting = Setting.named(name) else {
      throw RequestError.unknownSetting(name: name, known: Setting.all.map(\.name))
    }
    guard setting.read(text, &request) else {
      throw RequestError.invalid(
        setting: name, value: "'\(text.prefix(40))'", rule: setting.rule(RenderLimits()))
    }
    given.insert(name)
  }

  /// Gives a setting a value.
  package mutating func give<Value>(
    _ name: String, _ path: WritableKeyPath<RenderRequest, Value>, _ value: Value
  ) {
    request[keyPath: path] = value
    given.insert(name)
  }

  /// These where given, else `others`.
  package func over(_ others: RequestDraft) -> RequestDraft {
    var result = others
    for setting in Setting.all where given.contains(setting.name) {
      setting.copy(request, &result.request)
      result.given.insert(setting.name)
    }
    return result
  }
}
