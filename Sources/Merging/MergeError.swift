import Checkpoints
import Glibc

/// Why a merge cannot be made.
package enum MergeError: Error, Equatable, CustomStringConvertible {
  /// An expert's model cannot be used; `reason` says why.
  case expert(index: Int, source: String, reason: String)
  /// The base model cannot be used.
  case base(source: String, reason: String)
  /// The output exists already.
  case outputExists(path: String)
  /// The output's folder cannot be made in another one.
  case noPlace(path: String, folder: String, code: Int32)
  /// The output cannot be written.
  case notWritable(path: String, reason: String)
  /// A kind of recipe that this version does not merge.
  case unsupported(what: String)
  /// A source is of another family than the recipe says, or, if the recipe says none, than the base is.
  case family(String, of: Recipe.Family, wanted: Recipe.Family)
  /// A covered layer that never ran in the expert's render.
  case unseen(layer: String)

  package var description: String {
    switch self {
    case .expert(let index, let source, let reason):
      "expert \(index) (\(source)): \(reason)"
    case .base(let source, let reason):
      "base model \(source): \(reason)"
    case .outputExists(let path):
      "\(path) exists already; choose another output folder or remove it"
    case .noPlace(let path, let folder, let code):
      "\(path): cannot be made in \(folder) (\(String(cString: strerror(code)))): \(Self.mend(code))choose another place "
        + "for the output"
    case .notWritable(let path, let reason):
      "\(path): cannot write the merged model: \(reason)"
    case .unsupported(let what):
      "\(what) is not supported by this version of segmoe"
    case .family(let source, let own, let wanted):
      "\(source) is a model of type \(own.rawValue), the merge is of type \(wanted.rawValue): a mixture takes models of "
        + "one type, and the recipe's 'type' is theirs or left out"
    case .unseen(let layer):
      "layer \(layer) never ran, so it has no gate; the model's unet/config.json does not fit its weights"
    }
  }

  /// What helps against some of the reasons.
  private static func mend(_ code: Int32) -> String {
    switch code {
    case EACCES, EPERM: "give this user write permission, or "
    case ENOSPC, EDQUOT: "make room, or "
    default: ""
    }
  }
}
