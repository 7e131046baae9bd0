import HTTP

extension WebAddress {
  /// An address below this one. `path` must begin with a slash and be encoded.
  /// - Throws: `HubError.strangeAnswer` if that makes no address.
  func adding(_ path: String) throws(HubError) -> WebAddress {
    guard let address = below(path) else {
      throw .strangeAnswer(host: host, reason: "no address can be made of \(path)")
    }
    return address
  }
}
