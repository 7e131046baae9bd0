import Foundation

/// What systemd gives the service: the settings in its unit's files, read without systemd, so that a configuration can
/// be checked before the service starts, by anybody, and in an image of another machine.
struct ServiceUnit {
  /// The unit's file.
  let path: String
  /// The settings of its section `[Service]`, those of drop-ins included, in order.
  private let settings: [(key: String, value: String)]
  private let root: String

  /// Where units are, the nearest first (systemd.unit(5)).
  private static let folders = [
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system",
  ]

  /// - Parameters:
  ///   - name: the name of the unit.
  ///   - root: the folder that stands for `/`; empty: `/` itself.
  /// - Returns: nil if there is no such unit.
  init?(_ name: String = "segmoed.service", root: String = "") {
    let folders = Self.folders.map { root + $0 }
    guard
      let path = folders.map({ "\($0)/\(name)" })
        .first(where: { FileManager.default.isReadableFile(atPath: $0) })
    else { return nil }
    self.path = path
    self.root = root
    // Of drop-ins with one name the nearest counts; all are read in the order of their names.
    var dropIns: [String: String] = [:]
    for folder in folders.reversed() {
      let place = "\(folder)/\(name).d"
      for file in (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
      where file.hasSuffix(".conf") {
        dropIns[file] = "\(place)/\(file)"
      }
    }
    let files = [path] + dropIns.sorted { $0.key < $1.key }.map(\.value)
    settings = files.flatMap { Self.service(in: (try? String(contentsOfFile: $0, encoding: .utf8)) ?? "") }
  }

  /// The settings in the section `[Service]` of a file.
  private static func service(in text: String) -> [(key: String, value: String)] {
    var section = ""
    var found: [(key: String, value: String)] = []
    for line in text.replacingOccurrences(of: "\\\n", with: " ").split(separator: "\n") {
      let line = line.trimmingCharacters(in: .whitespaces)
      if line.hasPrefix("#") || line.hasPrefix(";") { continue }
      if line.hasPrefix("[") { section = line }
      guard section == "[Service]", let equals = line.firstIndex(of: "=") else { continue }
      found.append(
        (
          line[..<equals].trimmingCharacters(in: .whitespaces),
          line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
        ))
    }
    return found
  }

  /// The values of a list; an empty one forgets those before it.
  private func list(_ key: String) -> [String] {
    settings.filter { $0.key == key }.reduce(into: []) { values, setting in
      if setting.value.isEmpty { values = [] } else { values.append(setting.value) }
    }
  }

  private func last(_ key: String) -> String? { settings.last { $0.key == key }?.value }

  /// The user that it runs as.
  var user: String { last("User") ?? "root" }

  /// The arguments of the program that it starts.
  var arguments: [String] { Array(Self.words(list("ExecStart").last ?? "").dropFirst()) }

  /// The environment variables that it gets.
  var environment: [String: String] {
    var variables: [String: String] = [:]
    for word in list("Environment").flatMap(Self.words) { Self.add(word, to: &variables) }
    for file in list("EnvironmentFile") {
      let path = root + (file.hasPrefix("-") ? String(file.dropFirst()) : file)
      for line in ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n")
      where !line.hasPrefix("#") && !line.hasPrefix(";") {
        guard let equals = line.firstIndex(of: "=") else { continue }
        let value = line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
        variables[line[..<equals].trimmingCharacters(in: .whitespaces)] = value.trimmingCharacters(
          in: CharacterSet(charactersIn: "\"'"))
      }
    }
    let states = stateFolders
    if !states.isEmpty { variables["STATE_DIRECTORY"] = states.joined(separator: ":") }
    return variables
  }

  private static func add(_ assignment: String, to variables: inout [String: String]) {
    guard let equals = assignment.firstIndex(of: "=") else { return }
    variables[String(assignment[..<equals])] = String(assignment[assignment.index(after: equals)...])
  }

  /// Words between spaces, unless quotes hold them together.
  private static func words(_ text: String) -> [String] {
    var words: [String] = []
    var (word, quote, isOpen): (String, Character?, Bool) = ("", nil, false)
    for character in text {
      if let open = quote {
        if character == open { quote = nil } else { word.append(character) }
      } else if character == "\"" || character == "'" {
        (quote, isOpen) = (character, true)
      } else if character == " " || character == "\t" {
        if isOpen { words.append(word) }
        (word, isOpen) = ("", false)
      } else {
        word.append(character)
        isOpen = true
      }
    }
    return isOpen ? words + [word] : words
  }
}

/// What its sandbox lets it do.
extension ServiceUnit {
  /// Folders that systemd makes for it.
  private var stateFolders: [String] { folders("StateDirectory", below: "/var/lib") }

  private func folders(_ key: String, below base: String) -> [String] {
    list(key).flatMap { $0.split(separator: " ") }.map { name in
      "\(base)/\(name.split(separator: ":").first ?? name)"
    }
  }

  private func paths(_ key: String) -> [String] {
    list(key).flatMap { $0.split(separator: " ") }.map { path in
      String(path.drop { $0 == "-" || $0 == "+" })
    }
  }

  /// Folders that may be written to however strict the sandbox is.
  private var writable: [String] {
    stateFolders + folders("CacheDirectory", below: "/var/cache")
      + folders("LogsDirectory", below: "/var/log")
      + folders("RuntimeDirectory", below: "/run") + paths("ReadWritePaths")
  }

  /// Whether a folder is, or is in, one that systemd makes for the service's user when it starts the service.
  func makes(_ folder: String) -> Bool { stateFolders.contains { Self.isBelow(folder, $0) } }

  /// Whether the sandbox hides a path, and by which setting.
  func hides(_ path: String) -> String? {
    if paths("InaccessiblePaths").contains(where: { Self.isBelow(path, $0) }) { return "InaccessiblePaths" }
    if ["yes", "true", "1", "tmpfs"].contains(last("ProtectHome")),
      ["/home", "/root", "/run/user"].contains(where: { Self.isBelow(path, $0) })
    {
      return "ProtectHome"
    }
    if ["yes", "true", "1"].contains(last("PrivateTmp")),
      ["/tmp", "/var/tmp"].contains(where: { Self.isBelow(path, $0) })
    {
      return "PrivateTmp"
    }
    return nil
  }

  /// Whether the sandbox lets it write below a path.
  func mayWrite(_ path: String) -> Bool {
    if hides(path) != nil { return false }
    if writable.contains(where: { Self.isBelow(path, $0) }) { return true }
    if paths("ReadOnlyPaths").contains(where: { Self.isBelow(path, $0) }) { return false }
    if last("ProtectHome") == "read-only",
      ["/home", "/root", "/run/user"].contains(where: { Self.isBelow(path, $0) })
    {
      return false
    }
    switch last("ProtectSystem") {
    case "strict": return false
    case "full": return !["/usr", "/boot", "/efi", "/etc"].contains { Self.isBelow(path, $0) }
    case "yes", "true", "1": return !["/usr", "/boot", "/efi"].contains { Self.isBelow(path, $0) }
    default: return true
    }
  }

  private static func isBelow(_ path: String, _ folder: String) -> Bool {
    let folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
    return folder == "/" || path == folder || path.hasPrefix(folder + "/")
  }
}
