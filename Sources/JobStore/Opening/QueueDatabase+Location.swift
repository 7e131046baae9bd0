extension QueueDatabase {
  /// Where the queue is when nobody says: `$SEGMOE_DATABASE`; as a systemd service its state directory
  /// (`/var/lib/segmoe`); for a person the XDG state folder, `~/.local/state/segmoe`.
  package static func defaultPath(environment: [String: String]) -> String {
    func value(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    // The XDG specification: a relative path there is invalid and to be ignored.
    func absolute(_ name: String) -> String? {
      value(name).flatMap { $0.hasPrefix("/") ? $0 : nil }
    }
    if let path = value("SEGMOE_DATABASE") { return path }
    // systemd may hand over several, separated by colons; the first is the service's own.
    if let folder = absolute("STATE_DIRECTORY")?.split(separator: ":").first {
      return "\(folder)/queue.sqlite"
    }
    if let folder = absolute("XDG_STATE_HOME") { return "\(folder)/segmoe/queue.sqlite" }
    if let home = absolute("HOME") { return "\(home)/.local/state/segmoe/queue.sqlite" }
    return "/var/lib/segmoe/queue.sqlite"
  }
}
