/// Why a model cannot be used or a request cannot be rendered.
package enum DiffusionError: Error, Equatable, CustomStringConvertible {
  /// A configuration asks for something that this engine cannot do.
  case unsupported(file: String, key: String, value: String)
  /// A scheduler name that is not in the registry.
  case unknownScheduler(name: String, known: [String])
  /// A picture size that the model cannot make.
  case size(width: Int, height: Int, multiple: Int)
  /// A setting outside its range.
  case setting(name: String, value: String, allowed: String)
  /// A prompt's token that the text encoder has no embedding for.
  case tokenOutOfRange(id: Int, vocabulary: Int)
  /// Two parts of a model that do not fit each other: tokenizer and text encoder, or encoder and UNet.
  case mismatch(folder: String, what: String)
  /// A stage computed infinities or NaN; the picture would be black.
  case notFinite(stage: String)

  package var description: String {
    switch self {
    case .unsupported(let file, let key, let value):
      "\(file): \(key) \(value) is not supported by this version of segmoe"
    case .unknownScheduler(let name, let known):
      "unknown scheduler \"\(name)\"; choose one of \(known.joined(separator: ", "))"
    case .size(let width, let height, let multiple):
      "width \(width) and height \(height) must be multiples of \(multiple) for this model"
    case .setting(let name, let value, let allowed):
      "\(name) \(value) is out of range; allowed: \(allowed)"
    case .tokenOutOfRange(let id, let vocabulary):
      "token \(id) is outside the text encoder's vocabulary of \(vocabulary); tokenizer and text_encoder do not belong together"
    case .mismatch(let folder, let what):
      "\(folder): \(what)"
    case .notFinite(let stage):
      "the \(stage) produced numbers that are not finite; the weights may be damaged"
    }
  }
}
