/// What a schema says of a value.
package struct SchemaVerdict: Sendable {
  /// What does not fit: where in the value, and what. Empty if all fits.
  package var faults: [String] = []
  /// Which members of the schema the value had.
  package var use = SchemaUse()
}

extension SchemaFolder {
  /// Compares a value with a schema.
  /// - Parameters:
  ///   - value: the value.
  ///   - name: the schema's name, without the ending.
  ///   - isClosed: whether members that are not described are faults, although the schema lets them be.
  package func judge(_ value: JSONNode, by name: String, isClosed: Bool = false) -> SchemaVerdict {
    judge(value, by: SchemaPlace(document: name + ".json"), at: "", isClosed)
  }

  private func judge(_ value: JSONNode, by place: SchemaPlace, at path: String, _ isClosed: Bool)
    -> SchemaVerdict
  {
    var verdict = SchemaVerdict()
    func add(_ other: SchemaVerdict) {
      verdict.faults += other.faults
      verdict.use.add(other.use)
    }
    guard let schema = node(place)?.object else {
      verdict.faults = ["there is no schema \(place)"]
      return verdict
    }
    for (name, rule) in schema.sorted(by: { $0.key < $1.key }) {
      switch SchemaKeyword(rawValue: name) {
      case .ref: add(judge(value, by: target(of: rule.string ?? "", from: place), at: path, isClosed))
      case .anyOf:
        let verdicts = (rule.list ?? []).indices.map {
          judge(value, by: place + name + "\($0)", at: path, isClosed)
        }
        // What fits, or what is nearest to it.
        if let best = verdicts.min(by: { $0.faults.count < $1.faults.count }) { add(best) }
      case .items:
        for (index, element) in (value.list ?? []).enumerated() {
          add(judge(element, by: place + name, at: "\(path)/\(index)", isClosed))
        }
      default:
        if let keyword = SchemaKeyword(rawValue: name), !keyword.accepts(value, rule) {
          verdict.faults.append("\(path.isEmpty ? "/" : path): does not fit \(place + name)")
        }
      }
    }
    if let members = value.object { add(judge(members, of: schema, place, at: path, isClosed)) }
    return verdict
  }

  /// Compares the members of an object.
  private func judge(
    _ members: [String: JSONNode], of schema: [String: JSONNode], _ place: SchemaPlace, at path: String,
    _ isClosed: Bool
  ) -> SchemaVerdict {
    var verdict = SchemaVerdict()
    func add(_ other: SchemaVerdict) {
      verdict.faults += other.faults
      verdict.use.add(other.use)
    }
    let described = schema["properties"]?.object ?? [:]
    for key in described.keys.sorted() {
      let member = place + "properties" + key
      verdict.use.note(member, members[key])
      if let value = members[key] { add(judge(value, by: member, at: "\(path)/\(key)", isClosed)) }
    }
    for key in (schema["required"]?.list ?? []).compactMap(\.string) where members[key] == nil {
      verdict.faults.append("\(path)/\(key): is missing")
    }
    let rule = schema["additionalProperties"]
    for (key, value) in members.sorted(by: { $0.key < $1.key }) where described[key] == nil {
      if rule?.object != nil {
        add(judge(value, by: place + "additionalProperties", at: "\(path)/\(key)", isClosed))
      } else if rule == .bool(false) || isClosed && !described.isEmpty {
        verdict.faults.append("\(path)/\(key): is not described in \(place)")
      }
    }
    return verdict
  }
}

extension SchemaKeyword {
  /// Whether a value fits a rule that needs no other schema.
  fileprivate func accepts(_ value: JSONNode, _ rule: JSONNode) -> Bool {
    func number(_ fits: (Double, Double) -> Bool) -> Bool {
      guard let number = value.number, let bound = rule.number else { return true }
      return fits(number, bound)
    }
    func length(_ length: Int?, _ fits: (Double, Double) -> Bool) -> Bool {
      guard let length, let bound = rule.number else { return true }
      return fits(Double(length), bound)
    }
    switch self {
    case .type: return (Self.types(rule) ?? []).contains { $0?.holds(value) == true }
    case .enum: return rule.list?.contains(value) == true
    case .const: return rule == value
    case .minimum: return number(>=)
    case .maximum: return number(<=)
    case .exclusiveMinimum: return number(>)
    case .exclusiveMaximum: return number(<)
    case .multipleOf: return number { $0.truncatingRemainder(dividingBy: $1) == 0 }
    case .minLength: return length(value.string?.unicodeScalars.count, >=)
    case .maxLength: return length(value.string?.unicodeScalars.count, <=)
    case .minItems: return length(value.list?.count, >=)
    case .maxItems: return length(value.list?.count, <=)
    case .pattern:
      guard let text = value.string, let pattern = try? Regex(rule.string ?? "") else { return true }
      return text.firstMatch(of: pattern) != nil
    // These say nothing of the value, or were looked at before.
    case .schema, .title, .description, .examples, .ref, .defs, .properties, .required, .additionalProperties,
      .items, .anyOf:
      return true
    }
  }
}
