/// A person's own folders, from environment variables (the XDG base directory specification).
package struct BaseFolders {
  private let environment: [String: String]

  /// - Parameter environment: the environment variables.
  package init(environment: [String: String]) { self.environment = environment }

  /// `$XDG_STATE_HOME`, else `~/.local/state`; nil: there is no home folder.
  package var state: String? { absolute("XDG_STATE_HOME") ?? inHome(".local/state") }

  /// `$XDG_CONFIG_HOME`, else `~/.config`; nil: there is no home folder.
  package var configuration: String? { absolute("XDG_CONFIG_HOME") ?? inHome(".config") }

  /// `$XDG_CACHE_HOME`, else `~/.cache`; nil: there is no home folder.
  package var cache: String? { absolute("XDG_CACHE_HOME") ?? inHome(".cache") }

  /// Where a person's programs keep what they can have again: `$SEGMOE_CACHE`, or `segmoe` in the folder of caches; nil:
  /// there is no home folder.
  package var ownCache: String? { absolute("SEGMOE_CACHE") ?? cache.map { $0 + "/segmoe" } }

  /// The absolute path that a variable has; nil: it has none. The specification says that relative paths are invalid and
  /// must be ignored.
  package func absolute(_ name: String) -> String? {
    environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil }
  }

  private func inHome(_ folder: String) -> String? { absolute("HOME").map { "\($0)/\(folder)" } }
}
