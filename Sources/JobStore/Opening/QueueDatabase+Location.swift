extension QueueDatabase {
  /// The default path of the queue: `$SEGMOE_DATABASE`; in a systemd service's state directory (`/var/lib/segmoe`);
  /// or in the user's XDG state folder, `~/.local/state/segmoe`.
  package static func defaultPath(environment: [String: String]) -> String {
    func value(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    // The XDG specification says that relative paths in these variables are invalid and must be ignored.
    func absolute(_ name: String) -> String? {
      value(name).flatMap { $0.hasPrefix("/") ? $0 : nil }
    }
    if let path = value("SEGMOE_DATABASE") { return path }
    // systemd may give several folders, separated by colons. The first is the service's own.
    if let folder = absolute("STATE_DIRECTORY")?.split(separator: ":").first {
      return "\(folder)/queue.sqlite"
    }
    if let folder = absolute("XDG_STATE_HOME") { return "\(folder)/segmoe/queue.sqlite" }
    if let home = absolute("HOME") { return "\(home)/.local/state/segmoe/queue.sqlite" }
    return "/var/lib/segmoe/queue.sqlite"
  }
}
