import Checkpoints

/// A JSON object in a site's answer.
struct AnswerObject {
  private let members: [String: JSONValue]
  private let host: String

  /// - Throws: `HubError.webPage`, or `HubError.strangeAnswer` if it is not an object.
  init(_ reply: Site.Reply) throws(HubError) {
    guard case .object(let members) = try reply.json() else {
      throw .strangeAnswer(host: reply.address.host, reason: "its answer is no object")
    }
    self.init(members, host: reply.address.host)
  }

  init(_ members: [String: JSONValue], host: String) {
    self.members = members
    self.host = host
  }

  /// A text; nil if it is absent or something else.
  func text(_ key: String) -> String? {
    if case .string(let text) = members[key] { text } else { nil }
  }

  /// A number; nil if it is absent or something else.
  func number(_ key: String) -> Double? {
    switch members[key] {
    case .integer(let whole): Double(whole)
    case .number(let real): real
    default: nil
    }
  }

  /// A whole number; nil if it is absent or something else.
  func whole(_ key: String) -> Int? { members[key]?.wholeNumber }

  /// Whether a member is `true`.
  func isTrue(_ key: String) -> Bool { members[key] == .bool(true) }

  /// An object; nil if it is absent or something else.
  func object(_ key: String) -> AnswerObject? {
    if case .object(let inner) = members[key] { AnswerObject(inner, host: host) } else { nil }
  }

  /// The objects of a list; empty if it is absent or something else.
  func objects(_ key: String) -> [AnswerObject] {
    guard case .array(let values) = members[key] else { return [] }
    return AnswerObject.objects(values, host: host)
  }

  /// The names of all members.
  var keys: [String] { members.keys.sorted() }

  /// The objects among some values.
  static func objects(_ values: [JSONValue], host: String) -> [AnswerObject] {
    values.compactMap { if case .object(let inner) = $0 { AnswerObject(inner, host: host) } else { nil } }
  }

  /// The error for a missing member.
  func lacks(_ key: String) -> HubError { .strangeAnswer(host: host, reason: "its answer has no '\(key)'") }
}

extension Site.Reply {
  /// The body as JSON.
  /// - Throws: `HubError.webPage`, `HubError.strangeAnswer`
  func json() throws(HubError) -> JSONValue {
    if head.isWebPage { throw .webPage(host: address.host) }
    do {
      return try JSONValue(parsing: answer.body, path: address.host)
    } catch {
      throw .strangeAnswer(host: address.host, reason: "its answer is no JSON")
    }
  }
}
