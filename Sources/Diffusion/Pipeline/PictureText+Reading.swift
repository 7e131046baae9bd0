import Checkpoints
import Images

extension PictureText {
  /// Whether a file is a picture that was rendered by hand, by its own word. Pictures of the queue name their job, and
  /// belong to it.
  /// - Parameter path: a file, which may be anything.
  package static func isByHand(_ path: String) -> Bool {
    guard let text = PNGTextScan.text(keyword, in: path),
      case .object(let members)? = try? JSONValue(parsing: Array(text.utf8), path: path)
    else { return false }
    return members["prompt"] != nil && members["model_digest"] != nil && members["job"] == nil
  }
}
