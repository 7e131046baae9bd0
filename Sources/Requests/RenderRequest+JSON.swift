import Foundation

extension RequestDraft {
  /// Reads the members of a JSON object. `null` counts as absent.
  /// - Parameters:
  ///   - container: the object.
  ///   - others: keys that are no settings and are ignored.
  /// - Throws: `RequestError` for unknown keys and values of the wrong type.
  package init(_ container: KeyedDecodingContainer<SettingKey>, beside others: [String] = []) throws {
    self.init()
    let known = Setting.all.map(\.name) + others
    if let unknown = container.allKeys.map(\.stringValue).filter({ !known.contains($0) }).min() {
      throw RequestError.unknownSetting(name: unknown, known: known)
    }
    for setting in Setting.all {
      if Self.isSeed(setting.name), Self.isRandom(SettingKey(setting.name), container) {
        randomSeeds.insert(setting.name)
        given.insert(setting.name)
      } else if setting.name == "scheduler",
        let text = try? container.decode(String.self, forKey: SettingKey(setting.name)), takeFused(text)
      {
        continue
      } else if try setting.decode(container, &settings) {
        given.insert(setting.name)
      }
    }
  }

  /// Whether a member asks for a random seed.
  private static func isRandom(_ key: SettingKey, _ container: KeyedDecodingContainer<SettingKey>) -> Bool {
    (try? container.decode(Int.self, forKey: key)) == -1
      || (try? container.decode(String.self, forKey: key)).map(isRandom) == true
  }
}

extension RequestDraft {
  /// Reads some members of a JSON object, and ignores the others. `null` counts as absent.
  /// - Parameters:
  ///   - container: the object.
  ///   - names: the settings that are read.
  /// - Throws: `RequestError` for values of the wrong type.
  package init(_ container: KeyedDecodingContainer<SettingKey>, only names: Set<String>) throws {
    self.init()
    for setting in Setting.all where names.contains(setting.name) {
      if try setting.decode(container, &settings) { given.insert(setting.name) }
    }
  }

  /// Sets a setting from its JSON form.
  /// - Throws: `RequestError` for another kind of value, and for text that is no JSON.
  package mutating func read(json: String, as name: String) throws {
    guard let setting = Setting.named(name) else {
      throw RequestError.unknownSetting(name: name, known: Setting.all.map(\.name))
    }
    do {
      let one = try JSONDecoder().decode(OneSetting.self, from: Data("{\"\(name)\": \(json)}".utf8))
      self = one.draft.over(self)
    } catch is DecodingError {
      throw RequestError.wrongKind(setting: name, wanted: setting.kind)
    }
  }

  /// An object with some settings.
  private struct OneSetting: Decodable {
    let draft: RequestDraft

    init(from decoder: any Decoder) throws {
      draft = try RequestDraft(try decoder.container(keyedBy: SettingKey.self))
    }
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
