/// An `http` or `https` address, kept byte for byte: a signed address that is written anew is another one.
package struct WebAddress: Sendable, Hashable, CustomStringConvertible {
  /// The address as it goes to the server.
  package let text: String
  /// `https` or `http`.
  package let scheme: String
  /// In lower case; an IPv6 address with its brackets.
  package let host: String
  /// The scheme's own (443, 80) where the address names none.
  package let port: Int
  /// Begins with a slash; percent-encoded as written.
  package let path: String
  /// What follows the `?`, as written.
  package let query: String?

  package var description: String { text }

  /// Nil for anything that is no `http` or `https` address with a host; user names in it are refused too.
  package init?(_ text: String) {
    guard let colon = text.firstRange(of: "://") else { return nil }
    let scheme = text[..<colon.lowerBound].lowercased()
    guard scheme == "https" || scheme == "http" else { return nil }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    let rest = text[colon.upperBound...]
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    guard !authority.isEmpty, !authority.contains("@") else { return nil }
    var name = authority
    var port = scheme == "https" ? 443 : 80
    if let mark = authority.lastIndex(of: ":"), !authority[mark...].contains("]") {
      guard let number = Int(authority[authority.index(after: mark)...]), (1...65535).contains(number) else {
        return nil
      }
      port = number
      name = authority[..<mark]
    }
    guard !name.isEmpty else { return nil }
    let tail = rest[authority.endIndex...].prefix { $0 != "#" }
    let mark = tail.firstIndex(of: "?")
    let path = tail[..<(mark ?? tail.endIndex)]
    self.scheme = scheme
    host = name.lowercased()
    self.port = port
    self.path = path.isEmpty ? "/" : String(path)
    query = mark.map { String(tail[tail.index(after: $0)...]) }
    self.text = "\(scheme)://\(authority)\(self.path)" + (query.map { "?\($0)" } ?? "")
  }

  /// Scheme, host and port: what a token belongs to.
  package struct Origin: Sendable, Hashable, CustomStringConvertible {
    package let scheme: String
    package let host: String
    package let port: Int

    package var description: String {
      let isUsual = port == (scheme == "https" ? 443 : 80)
      return "\(scheme)://\(host)" + (isUsual ? "" : ":\(port)")
    }
  }

  /// Whose address it is.
  package var origin: Origin { Origin(scheme: scheme, host: host, port: port) }

  /// The address of something below this one: `path` begins with a slash and is encoded already.
  package func adding(_ path: String) -> WebAddress? {
    var base = text
    if let mark = base.firstIndex(of: "?") { base = String(base[..<mark]) }
    while base.hasSuffix("/") { base.removeLast() }
    return WebAddress(base + path)
  }

  /// Where a `Location` header leads from here; nil if that is no web address.
  package func following(_ location: String) -> WebAddress? {
    if location.hasPrefix("//") { return WebAddress(scheme + ":" + location) }
    if location.contains("://"), !location.hasPrefix("/"), !location.hasPrefix("?") {
      return WebAddress(location)
    }
    if location.hasPrefix("/") { return WebAddress("\(origin)\(location)") }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "/"
    return WebAddress("\(origin)\(folder)\(location)")
  }
}
