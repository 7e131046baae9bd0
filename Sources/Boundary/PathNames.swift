extension StringProtocol {
  /// The names in a path, empty ones too, as the system tells them apart: by the byte `/`.
  ///
  /// Characters are no way to do it. With a mark that combines with what comes before it, or a sign that does with what
  /// comes after it, a slash is part of another character: `"../\u{301}x".split(separator: "/")` is one name.
  package var pathNames: [Substring] {
    String(self).utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map {
      Substring($0)
    }
  }

  /// Whether it begins at the root.
  package var isAbsolutePath: Bool { utf8.first == UInt8(ascii: "/") }
}

extension StringProtocol where UTF8View: BidirectionalCollection {
  /// Where the last `/` is.
  package var lastSlash: Index? { utf8.lastIndex(of: UInt8(ascii: "/")) }
}
