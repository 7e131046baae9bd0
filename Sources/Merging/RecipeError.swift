import Configuration
import Requests

/// What can be wrong with a recipe.
package enum RecipeError: Error, Sendable, Equatable {
  /// Not readable, not YAML, or a key or value that does not belong.
  case yaml(YAMLError)
  /// The recipe has neither experts nor LoRAs.
  case noExperts(YAMLPosition)
  /// `num_experts` differs from the number of experts listed.
  case expertCount(YAMLPosition, declared: Int, listed: Int)
  /// `num_experts_per_tok` is larger than the number of experts.
  case expertsPerToken(YAMLPosition, wanted: Int, experts: Int)
  /// A key that the merge computes and writes.
  case derivedKey(YAMLPosition, key: String)
  /// A source that is no file or folder; `tried` are the paths looked at.
  case sourceMissing(YAMLPosition, written: String, tried: [String])
  /// A source that is a link or a model card, but cannot be pulled.
  case source(YAMLPosition, SourceError)
}

extension RecipeError: CustomStringConvertible {
  /// One line: file, line, column, what is wrong, and how to fix it.
  package var description: String {
    switch self {
    case .yaml(let error): error.description
    case .noExperts(let position):
      "\(position): the recipe has no experts: list 'experts', or 'loras' to make them of the base model"
    case .expertCount(let position, let declared, let listed):
      "\(position): 'num_experts' is \(declared), but \(listed) \(listed == 1 ? "expert is" : "experts are") "
        + "listed: write \(listed), or leave 'num_experts' out"
    case .expertsPerToken(let position, let wanted, let experts):
      "\(position): 'num_experts_per_tok' is \(wanted), but there "
        + "\(experts == 1 ? "is 1 expert" : "are \(experts) experts"): write a number from 1 to \(experts)"
    case .derivedKey(let position, let key):
      "\(position): '\(key)' is worked out from the base model: remove it"
    case .sourceMissing(let position, let written, let tried):
      "\(position): '\(written)' is no file or folder"
        + (tried.isEmpty ? "" : " (tried \(tried.joined(separator: ", ")))")
        + ": give the path of a model on this machine"
    case .source(let position, let error): "\(position): \(error)"
    }
  }
}
