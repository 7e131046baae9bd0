/// The keywords of JSON Schema that are known here.
enum SchemaKeyword: String {
  case schema = "$schema"
  case title, description, examples
  case ref = "$ref"
  case defs = "$defs"
  case type, properties, required, additionalProperties, items, anyOf
  case `enum`, const
  case minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf
  case minLength, maxLength, pattern, minItems, maxItems

  /// Whether a schema may have such a value under it.
  func takes(_ rule: JSONNode) -> Bool {
    switch self {
    case .schema: rule == .string("https://json-schema.org/draft/2020-12/schema")
    case .title, .description, .ref: rule.string?.isEmpty == false
    case .examples: rule.list?.isEmpty == false
    case .defs, .properties, .items: rule.object != nil
    case .additionalProperties: rule.object != nil || rule == .bool(true) || rule == .bool(false)
    case .anyOf: rule.list.map { !$0.isEmpty && $0.allSatisfy { $0.object != nil } } ?? false
    case .type: Self.types(rule).map { !$0.isEmpty && $0.allSatisfy { $0 != nil } } ?? false
    case .required: rule.list.map { $0.allSatisfy { $0.string != nil } } ?? false
    case .enum: rule.list?.isEmpty == false
    case .const: true
    case .minimum, .maximum, .exclusiveMinimum, .exclusiveMaximum: rule.number != nil
    case .multipleOf: rule.number.map { $0 > 0 } ?? false
    case .minLength, .maxLength, .minItems, .maxItems:
      rule.number.map { $0 >= 0 && $0 == $0.rounded() } ?? false
    case .pattern: rule.string.map { (try? Regex($0)) != nil } ?? false
    }
  }

  /// The types that `type` names, nil in the place of an unknown one; nil if it is neither a name nor a list.
  static func types(_ rule: JSONNode) -> [SchemaType?]? {
    switch rule {
    case .string(let name): [SchemaType(rawValue: name)]
    case .list(let names): names.map { $0.string.flatMap(SchemaType.init(rawValue:)) }
    default: nil
    }
  }
}

/// The types of JSON Schema.
enum SchemaType: String {
  case null, boolean, integer, number, string, array, object

  /// Whether a value is of it.
  func holds(_ value: JSONNode) -> Bool {
    switch (self, value) {
    case (.null, .null), (.boolean, .bool), (.number, .number), (.string, .string), (.array, .list),
      (.object, .object):
      true
    // 5.0 is an integer, too.
    case (.integer, .number(let number)): number == number.rounded()
    default: false
    }
  }
}
