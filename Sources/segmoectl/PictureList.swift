import Boundary

/// Pictures that something is about to happen to, named before it does.
enum PictureList {
  /// What becomes of them.
  enum Fate {
    case stay, go

    fileprivate func words(_ count: Int) -> String {
      let verb =
        switch self {
        case .stay: count == 1 ? "stays" : "stay"
        case .go: count == 1 ? "goes" : "go"
        }
      return "\(count) finished picture\(count == 1 ? "" : "s") \(verb):"
    }
  }

  /// More are only counted.
  private static let most = 10

  /// - Parameters:
  ///   - paths: the paths of the files.
  ///   - fate: what becomes of them.
  static func text(_ paths: [String], _ fate: Fate) -> String {
    let shown = paths.prefix(most).map { "  " + PlainText.line($0) }
    let rest = paths.count > most ? ["  and \(paths.count - most) more"] : []
    return ([fate.words(paths.count)] + shown + rest).joined(separator: "\n")
  }
}
