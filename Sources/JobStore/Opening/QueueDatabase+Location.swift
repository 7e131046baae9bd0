import Boundary

extension QueueDatabase {
  /// What an address begins with that libpq understands.
  package static let serverSchemes = ["postgresql://", "postgres://"]

  /// Whether somebody names a queue on a server, and no file: also by an address that is written wrongly, or as another
  /// program has it. It may have a password, which as a path would be shown, and be the name of a file.
  package static func isServer(_ location: String) -> Bool {
    let start = location.prefix(512).drop(while: \.isWhitespace).lowercased()
    if start.hasPrefix("postgresql:") || start.hasPrefix("postgres:") { return true }
    let word = start.prefix { $0.isLetter || $0.isNumber || "+.-:_".contains($0) }
    if word.count > 1, word.hasSuffix(":"), start.dropFirst(word.count).hasPrefix("//") { return true }
    // libpq's other form: "host=db dbname=segmoe password=…".
    return start.dropFirst(word.count).drop(while: \.isWhitespace).hasPrefix("=")
      && keywords.contains(String(word))
  }

  private static let keywords: Set = [
    "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "sslmode",
  ]

  /// The default path of the queue: `$SEGMOE_DATABASE`; in a systemd service's state directory (`/var/lib/segmoe`);
  /// or in the user's XDG state folder, `~/.local/state/segmoe`.
  package static func defaultPath(environment: [String: String]) -> String {
    if let path = environment["SEGMOE_DATABASE"], !path.isEmpty { return path }
    let folders = BaseFolders(environment: environment)
    // systemd may give several folders, separated by colons. The first is the service's own.
    if let folder = folders.absolute("STATE_DIRECTORY")?.split(separator: ":").first {
      return "\(folder)/queue.sqlite"
    }
    return (folders.state ?? "/var/lib") + "/segmoe/queue.sqlite"
  }
}
