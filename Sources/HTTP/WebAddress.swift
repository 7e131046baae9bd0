/// An `http` or `https` address. It keeps every byte, because the signature of a signed address depends on them.
package struct WebAddress: Sendable, Hashable, CustomStringConvertible {
  /// The address as it is sent to the server.
  package let text: String
  /// `https` or `http`.
  package let scheme: String
  /// The host in lower case. An IPv6 address has its brackets.
  package let host: String
  /// The port. If the address has none, it is that of the scheme (443 or 80).
  package let port: Int
  /// The path with its first slash, percent-encoded as it was written.
  package let path: String
  /// The part after the `?`, as it was written.
  package let query: String?

  package var description: String { text }

  /// nil unless it is an `http` or `https` address with a host and without a user name.
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
    guard Self.isHost(name) else { return nil }
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

  /// A name or number, or an IPv6 address in brackets.
  private static func isHost(_ text: Substring) -> Bool {
    if text.hasPrefix("[") {
      let inner = text.dropFirst().dropLast()
      return text.hasSuffix("]") && inner.contains(":")
        && inner.allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
    }
    return !text.isEmpty && text.allSatisfy { $0.isLetter || $0.isNumber || "-._".contains($0) }
  }

  /// Scheme, host and port. A token belongs to an origin.
  package struct Origin: Sendable, Hashable, CustomStringConvertible {
    package let scheme: String
    package let host: String
    package let port: Int

    package var description: String {
      let isUsual = port == (scheme == "https" ? 443 : 80)
      return "\(scheme)://\(host)" + (isUsual ? "" : ":\(port)")
    }
  }

  /// The address's origin.
  package var origin: Origin { Origin(scheme: scheme, host: host, port: port) }

  /// An address below this one; nil if none can be made.
  /// - Parameter path: with its first slash, encoded.
  package func below(_ path: String) -> WebAddress? {
    var base = text
    if let mark = base.firstIndex(of: "?") { base = String(base[..<mark]) }
    while base.hasSuffix("/") { base.removeLast() }
    return WebAddress(base + path)
  }

  /// The address that a `Location` header means here; nil if it is no web address.
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
