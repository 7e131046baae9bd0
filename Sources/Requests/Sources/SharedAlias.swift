/// A name that a person gave to what lies in a shared place: `shared:demo`. What it means is looked up once, when a job
/// is queued: the job has a `SharedName`.
package struct SharedAlias: Sendable, Hashable, CustomStringConvertible {
  /// Such as `demo`.
  package let name: String

  private static let mark = "shared:"

  package var description: String { Self.mark + name }

  /// What a name must be, in words.
  package static let rule = "1 to 100 letters, digits, dots, dashes and underscores, a letter or digit first"

  /// nil if `name` breaks the rule.
  package init?(name: some StringProtocol) {
    let name = String(name)
    guard name.wholeMatch(of: #/[A-Za-z0-9][A-Za-z0-9._-]{0,99}/#) != nil else { return nil }
    self.name = name
  }

  /// nil for a text that is no such name.
  package init?(_ text: String) {
    guard text.hasPrefix(Self.mark) else { return nil }
    self.init(name: text.dropFirst(Self.mark.count))
  }
}
