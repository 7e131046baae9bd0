/// One setting of a request: its name, what it may be, and how it is read and written.
///
/// A new setting is a field of `RenderRequest`, a row in `Setting.all`, a column of the table `jobs` of the same name,
/// an option in `SettingsOptions`, and what uses it.
package struct Setting: Sendable {
  /// Of the column and in JSON; the option has dashes.
  package let name: String
  /// What JSON has to hold.
  let kind: String
  /// What would be right, for a person.
  let rule: @Sendable (RenderLimits) -> String
  /// Whether a request's value is in range; throws `RequestError.invalid` if not.
  let check: @Sendable (RenderRequest, RenderLimits) throws -> Void
  /// Takes the value from a text; false if it is none.
  let read: @Sendable (String, inout RenderRequest) -> Bool
  /// Takes the value from a column; false if no program of ours stored it.
  package let restore: @Sendable (StoredValue, inout RenderRequest) -> Bool
  /// For the column.
  package let stored: @Sendable (RenderRequest) -> StoredValue
  /// As a person would type it.
  package let text: @Sendable (RenderRequest) -> String
  /// As JSON; `null` for nil.
  package let json: @Sendable (RenderRequest) -> String
  /// Whether a request has the value that it has without being told.
  package let isDefault: @Sendable (RenderRequest) -> Bool
  let copy: @Sendable (RenderRequest, inout RenderRequest) -> Void
  /// Takes the value from a member of JSON; false if there is none.
  let decode: @Sendable (KeyedDecodingContainer<SettingKey>, inout RenderRequest) throws -> Bool
  /// Writes the value, unless it is nil or an empty list.
  let encode: @Sendable (RenderRequest, inout KeyedEncodingContainer<SettingKey>) throws -> Void

  /// - Parameters:
  ///   - path: where the request has it.
  ///   - rule: what would be right, for a person.
  ///   - check: throws for a value out of range.
  init<Value: SettingForm>(
    _ name: String, _ path: WritableKeyPath<RenderRequest, Value> & Sendable,
    rule: @escaping @Sendable (RenderLimits) -> String,
    check: @escaping @Sendable (Value, RenderLimits) throws -> Void
  ) {
    self.name = name
    kind = Value.kind
    self.rule = rule
    self.check = { request, limits in try check(request[keyPath: path], limits) }
    read = { text, request in
      guard let value = Value(text: text) else { return false }
      request[keyPath: path] = value
      return true
    }
    restore = { stored, request in
      guard let value = Value(stored: stored) else { return false }
      request[keyPath: path] = value
      return true
    }
    stored = { $0[keyPath: path].stored }
    text = { $0[keyPath: path].text }
    json = { JSONForm.text($0[keyPath: path]) ?? "null" }
    isDefault = { $0[keyPath: path] == RenderRequest()[keyPath: path] }
    copy = { from, to in to[keyPath: path] = from[keyPath: path] }
    let key = SettingKey(name)
    decode = { container, request in
      let given: Value?
      do {
        given = try container.decodeIfPresent(Value.self, forKey: key)
      } catch {
        // A number or a text of the right kind that is no value gets the rule.
        if let text = try? container.decode(String.self, forKey: key), Value.kind == String.kind {
          throw RequestError.invalid(setting: name, value: "'\(text.prefix(40))'", rule: rule(RenderLimits()))
        }
        throw RequestError.wrongKind(setting: name, wanted: Value.kind)
      }
      guard let given else { return false }
      request[keyPath: path] = given
      return true
    }
    encode = { request, container in
      let value = request[keyPath: path]
      guard value.stored != .null, value.stored != .text("[]") else { return }
      try container.encode(value, forKey: key)
    }
  }

  /// A setting that is right if `accepts` says so.
  init<Value: SettingForm>(
    _ name: String, _ path: WritableKeyPath<RenderRequest, Value> & Sendable,
    rule: @escaping @Sendable (RenderLimits) -> String,
    accepts: @escaping @Sendable (Value, RenderLimits) -> Bool
  ) {
    self.init(name, path, rule: rule) { (value: Value, limits) in
      guard !accepts(value, limits) else { return }
      throw RequestError.invalid(setting: name, value: value.text, rule: rule(limits))
    }
  }

  /// The setting of a name.
  package static func named(_ name: String) -> Setting? { byName[name] }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}

/// The name of a setting as a key of JSON.
package struct SettingKey: CodingKey {
  package let stringValue: String
  package var intValue: Int? { nil }

  package init(_ name: String) { stringValue = name }
  package init(stringValue: String) { self.stringValue = stringValue }
  package init?(intValue: Int) { nil }
}
