extension YAMLNode {
  /// The text of a scalar. An unquoted number, yes or no is refused, because Python would not read it as text either.
  /// `subject` says what the value is, for messages: "'type'", "a prompt".
  package func string(_ subject: String) throws(YAMLError) -> String {
    guard case .scalar(let scalar) = content, case .string(let text) = scalar.value else {
      throw wrongType(subject, YAMLError.text)
    }
    return text
  }

  /// A whole number within a range.
  package func int(
    _ subject: String, in range: ClosedRange<Int> = Int.min...Int.max
  ) throws(YAMLError) -> Int {
    guard case .scalar(let scalar) = content, case .int(let value) = scalar.value else {
      throw wrongType(subject, "a whole number")
    }
    guard range.contains(value) else {
      throw .outOfRange(position, subject: subject, value: scalar.text, rule: YAMLNode.rule(range))
    }
    return value
  }

  /// A finite number, whole or not, within a range.
  package func double(
    _ subject: String, in range: ClosedRange<Double>? = nil
  ) throws(YAMLError) -> Double {
    guard case .scalar(let scalar) = content else { throw wrongType(subject, "a number") }
    let value: Double
    switch scalar.value {
    case .int(let whole): value = Double(whole)
    case .float(let number): value = number
    default: throw wrongType(subject, "a number")
    }
    guard value.isFinite else {
      throw .outOfRange(position, subject: subject, value: scalar.text, rule: "it must be finite")
    }
    if let range, !range.contains(value) {
      let rule = "it must be from \(range.lowerBound) to \(range.upperBound)"
      throw .outOfRange(position, subject: subject, value: scalar.text, rule: rule)
    }
    return value
  }

  /// Yes or no: true, yes, on, false, no, off.
  package func bool(_ subject: String) throws(YAMLError) -> Bool {
    guard case .scalar(let scalar) = content, case .bool(let value) = scalar.value else {
      throw wrongType(subject, "true or false")
    }
    return value
  }

  /// One of the words that an enum lists as its raw values.
  package func choice<Choice: RawRepresentable & CaseIterable>(
    _ subject: String, of type: Choice.Type = Choice.self
  ) throws(YAMLError) -> Choice where Choice.RawValue == String {
    let word = try string(subject)
    guard let choice = Choice(rawValue: word) else {
      let allowed = Choice.allCases.map(\.rawValue)
      throw .notOneOf(position, subject: subject, value: word, allowed: allowed)
    }
    return choice
  }

  /// The items of a list.
  package func sequence(_ subject: String) throws(YAMLError) -> [YAMLNode] {
    guard case .sequence(let items) = content else { throw wrongType(subject, "a list ('- …' lines)") }
    return items
  }

  /// A mapping in which only `keys` are allowed. `owner` names it in messages: "expert 2".
  package func mapping(_ owner: String, keys: [String]) throws(YAMLError) -> YAMLMapping {
    guard case .mapping(let entries) = content else {
      throw wrongType(owner, "keys and values ('key: value' lines)")
    }
    for entry in entries where !keys.contains(entry.key) {
      throw .unknownKey(entry.position, key: entry.key, owner: owner, allowed: keys)
    }
    return YAMLMapping(owner: owner, position: position, entries: entries)
  }

  private func wrongType(_ subject: String, _ expected: String) -> YAMLError {
    .wrongType(position, subject: subject, expected: expected, found: found)
  }

  private static func rule(_ range: ClosedRange<Int>) -> String {
    switch (range.lowerBound, range.upperBound) {
    case (let low, .max): "it must be at least \(low)"
    case (.min, let high): "it must be at most \(high)"
    case (let low, let high): "it must be from \(low) to \(high)"
    }
  }
}
