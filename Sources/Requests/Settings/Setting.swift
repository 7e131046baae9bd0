/// One setting of a request: its name, its allowed values, and how it is read and written.
///
/// A new setting is a field of `RenderRequest`, a row in `Setting.all`, a column of the table `jobs` of the same
/// name, an option in `SettingsOptions`, and what uses it. It is a class because whoever goes through all of them would copy a dozen
/// closures each as a value: that was half of an enqueue.
package final class Setting: Sendable {
  /// The name of the column and of the key in JSON. The option has dashes instead of underscores.
  package let name: String
  /// The type of value that JSON must have, for messages.
  let kind: String
  /// What is allowed, for messages.
  let rule: @Sendable (RenderLimits) -> String
  /// Throws `RequestError.invalid` if a request's value is out of range.
  let check: @Sendable (RenderRequest, RenderLimits) throws -> Void
  /// Sets the value from a text; false if the text is no such value.
  let read: @Sendable (String, inout RenderRequest) -> Bool
  /// Sets the value from a column; false if the column holds something that segmoe never stores.
  package let restore: @Sendable (StoredValue, inout RenderRequest) -> Bool
  /// The value for the column.
  package let stored: @Sendable (RenderRequest) -> StoredValue
  /// The value as a user would type it.
  package let text: @Sendable (RenderRequest) -> String
  /// The value as JSON; `null` for nil.
  package let json: @Sendable (RenderRequest) -> String
  /// Whether a request has the default value.
  package let isDefault: @Sendable (RenderRequest) -> Bool
  let copy: @Sendable (RenderRequest, inout RenderRequest) -> Void
  /// Sets the value from a member of a JSON object; false if there is no such member.
  let decode: @Sendable (KeyedDecodingContainer<SettingKey>, inout RenderRequest) throws -> Bool
  /// Writes the value, unless it is nil or an empty list.
  let encode: @Sendable (RenderRequest, inout KeyedEncodingContainer<SettingKey>) throws -> Void

  /// - Parameters:
  ///   - name: the name of the column and in JSON.
  ///   - path: the property of the request.
  ///   - rule: what is allowed, for messages.
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
        // A value of the right JSON type that is still malformed gets the rule as its message.
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

  /// A setting whose values are allowed if `accepts` returns true.
  convenience init<Value: SettingForm>(
    _ name: String, _ path: WritableKeyPath<RenderRequest, Value> & Sendable,
    rule: @escaping @Sendable (RenderLimits) -> String,
    accepts: @escaping @Sendable (Value, RenderLimits) -> Bool
  ) {
    self.init(name, path, rule: rule) { (value: Value, limits) in
      guard !accepts(value, limits) else { return }
      throw RequestError.invalid(setting: name, value: value.text, rule: rule(limits))
    }
  }

  /// The setting with a name; nil if there is none.
  package static func named(_ name: String) -> Setting? { byName[name] }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}
