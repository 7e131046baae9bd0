import Foundation

extension RequestDraft {
  /// Reads the members of a JSON object. `null` counts as absent.
  /// - Parameters:
  ///   - container: the object.
  ///   - others: keys that are no settings and are ignored.
  /// - Throws: `RequestError` for unknown keys and values of the wrong type.
  package init(_ container: KeyedDecodingContainer<SettingKey>, beside others: [String] = []) throws {
    let known = Setting.all.map(\.name) + others
    if let unknown = container.allKeys.map(\.stringValue).filter({ !known.contains($0) }).min() {
      throw RequestError.unknownSetting(name: unknown, known: known)
    }
    var request = RenderRequest()
    var given: Set<String> = []
    for setting in Setting.all where try setting.decode(container, &request) { given.insert(setting.name) }
    self.init(request, given: given)
  }
}

/// The JSON form of a request: its settings by name, except those that are nil or empty.
extension RenderRequest: Codable {
  /// - Throws: `RequestError`
  package init(from decoder: any Decoder) throws {
    self = try RequestDraft(try decoder.container(keyedBy: SettingKey.self)).request
  }

  /// - Throws: `EncodingError`
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: SettingKey.self)
    for setting in Setting.all { try setting.encode(self, &container) }
  }
}
