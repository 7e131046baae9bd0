import CommandLine
import Requests

/// A setting, and the values that it has one after the other.
struct SettingAxis {
  let setting: Setting
  /// As they were typed; each may be a list.
  private let texts: [String]
  private let option: String

  /// - Parameters:
  ///   - words: `steps=10,25`, or for values with commas of their own one after the other: `vae=a`, `vae=b`.
  ///   - option: what they were given to.
  /// - Throws: `Problem.usage`
  init(_ words: [String], option: String) throws {
    var found: Setting?
    var texts: [String] = []
    for word in words {
      guard let equals = word.firstIndex(of: "=") else {
        throw Problem.usage("--\(option) '\(word)' has no values: write --\(option) steps=10,25")
      }
      let setting = try SettingLabel.setting(String(word[..<equals]), of: option)
      guard found == nil || found?.name == setting.name else {
        throw Problem.usage(
          "--\(option) is about one setting, not both \(found?.name ?? "") and \(setting.name)")
      }
      found = setting
      texts.append(String(word[word.index(after: equals)...]))
    }
    guard let found else { throw Problem.usage("--\(option) is missing: write --\(option) steps=10,25") }
    (setting, self.texts, self.option) = (found, texts, option)
  }

  /// The values, one by one.
  /// - Throws: `RequestError.invalid` for a range that has no end.
  var values: [String] {
    get throws { try texts.flatMap { try SettingsGrid.values($0, of: setting.name) } }
  }

  /// Each of these drafts with each of the values.
  /// - Throws: `RequestError`; `Problem.usage` if a draft has the setting already.
  func applied(to drafts: [RequestDraft]) throws -> [RequestDraft] {
    guard !drafts.contains(where: { $0.given.contains(setting.name) }) else {
      throw Problem.usage(
        "--\(option) \(setting.name) and the option of that name say the same: give one of them")
    }
    return try texts.flatMap { try drafts.times(setting.name, $0) }
  }
}
