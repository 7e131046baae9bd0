import Boundary

extension QueueDatabase {
  /// Whether somebody names a queue on a server, and no file.
  package static func isServer(_ location: String) -> Bool {
    location.hasPrefix("postgresql://") || location.hasPrefix("postgres://")
  }

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
