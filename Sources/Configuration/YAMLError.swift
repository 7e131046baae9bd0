import Boundary
import Glibc

/// What can be wrong with a YAML file, or with what it says.
package enum YAMLError: Error, Sendable, Equatable {
  /// The file cannot be read.
  case unreadable(file: String, code: Int32)
  /// The file is larger than a configuration can be.
  case tooManyBytes(file: String, bytes: Int, limit: Int)
  /// Bytes that are not UTF-8.
  case notUTF8(YAMLPosition)
  /// The file holds only comments, or nothing.
  case empty(file: String)
  /// The file is not YAML. `problem` is libyaml's message.
  case syntax(YAMLPosition, problem: String)
  /// Nested deeper than the limit.
  case tooDeep(YAMLPosition, limit: Int)
  /// More nodes than the limit, with every alias replaced by what it repeats.
  case tooManyNodes(YAMLPosition, limit: Int)
  /// A key twice in one mapping.
  case duplicateKey(YAMLPosition, key: String, firstLine: Int)
  /// A key that is a list or a mapping.
  case keyNotText(YAMLPosition)
  /// A `<<` merge key.
  case mergeKey(YAMLPosition)
  /// An alias without an anchor, or inside its own anchor.
  case unknownAlias(YAMLPosition, name: String)
  /// A tag such as `!!python/object`.
  case unsupportedTag(YAMLPosition, tag: String)
  /// A second document in one file.
  case secondDocument(YAMLPosition)
  /// A key that is not known here.
  case unknownKey(YAMLPosition, key: String, owner: String, allowed: [String])
  /// A key that must be there.
  case missingKey(YAMLPosition, key: String, owner: String)
  /// A value of the wrong type. `subject` is the key, or says what the value is.
  case wrongType(YAMLPosition, subject: String, expected: String, found: String)
  /// A value that is not one of a few words.
  case notOneOf(YAMLPosition, subject: String, value: String, allowed: [String])
  /// A value of the right type that is not allowed. `rule` says what is.
  case outOfRange(YAMLPosition, subject: String, value: String, rule: String)
}

extension YAMLError: CustomStringConvertible {
  /// One line: file, line, column, what is wrong, and how to fix it.
  package var description: String {
    switch self {
    case .unreadable(let file, let code):
      "\(file): cannot be read (\(String(cString: strerror(code)))): give the path of a readable YAML file"
    case .tooManyBytes(let file, let bytes, let limit):
      "\(file): \(bytes) bytes are more than the limit of \(limit): is this the right file?"
    case .notUTF8(let position): "\(position): not UTF-8: save the file as UTF-8"
    case .empty(let file): "\(file): the file says nothing: write 'key: value' lines"
    case .syntax(let position, let problem): "\(position): not YAML: \(problem)"
    case .tooDeep(let position, let limit):
      "\(position): nested deeper than \(limit) levels: flatten it"
    case .tooManyNodes(let position, let limit):
      "\(position): more than \(limit) values, counting what aliases repeat: shorten the file"
    case .duplicateKey(let position, let key, let firstLine):
      "\(position): '\(YAMLScalar.shortened(key))' was already given in line \(firstLine): keep one of the two"
    case .keyNotText(let position): "\(position): a key must be text: write 'key: value'"
    case .mergeKey(let position): "\(position): merge keys ('<<') are not supported: write the keys out"
    case .unknownAlias(let position, let name):
      "\(position): '*\(name)' refers to no finished value: put '&\(name)' before an earlier one"
    case .unsupportedTag(let position, let tag): "\(position): tag '\(tag)' is not supported: remove it"
    case .secondDocument(let position):
      "\(position): a second document begins here: keep one document in the file"
    case .unknownKey(let position, let key, let owner, let allowed):
      "\(position): unknown key '\(YAMLScalar.shortened(key))' in \(owner): "
        + Nearest.advice(key, among: allowed)
    case .missingKey(let position, let key, let owner):
      "\(position): \(owner) has no '\(key)': add '\(key): …'"
    case .wrongType(let position, let subject, let expected, let found):
      "\(position): \(subject) must be \(expected), not \(found)"
        + (expected == YAMLError.text && found != "a list" && found != "keys and values"
          ? ": put it in quotes if you mean text" : "")
    case .notOneOf(let position, let subject, let value, let allowed):
      "\(position): \(subject) cannot be '\(YAMLScalar.shortened(value))': "
        + Nearest.advice(value, among: allowed)
    case .outOfRange(let position, let subject, let value, let rule):
      "\(position): \(subject) cannot be \(value): \(rule)"
    }
  }

  /// How `wrongType` names text.
  static let text = "text"
}
