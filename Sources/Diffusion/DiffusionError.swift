/// Why a model cannot be used or a request cannot be rendered.
package enum DiffusionError: Error, Equatable, CustomStringConvertible {
  /// A configuration asks for something that this engine does not do.
  case unsupported(file: String, key: String, value: String)
  /// A scheduler that nobody knows.
  case unknownScheduler(name: String, known: [String])
  /// A picture size that the model cannot make.
  case size(width: Int, height: Int, multiple: Int)
  /// A setting outside its range.
  case setting(name: String, value: String, allowed: String)
  /// A prompt's token that the text encoder has no embedding for.
  case tokenOutOfRange(id: Int, vocabulary: Int)
  /// A tokenizer and a text encoder, or an encoder and a UNet, that do not belong together.
  case mismatch(folder: String, what: String)
  /// A memory budget that is too small for a request, in bytes, and the smallest that would do.
  case memoryBudget(bytes: Int, smallest: Int)
  /// The system has no memory for a request, in bytes.
  case noMemory(bytes: Int)
  /// The numbers blew up: the picture would be black.
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
    case .memoryBudget(let bytes, let smallest):
      "a memory budget of \(Self.mebibytes(bytes)) is too small for this request; the smallest that would do is \(Self.mebibytes(smallest))"
    case .noMemory(let bytes):
      "the system has no memory for this request, which takes \(Self.mebibytes(bytes)) more"
    case .notFinite(let stage):
      "the \(stage) produced numbers that are not finite; the weights may be damaged"
    }
  }

  /// Rounded up, so that what is asked for does do.
  private static func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
}
