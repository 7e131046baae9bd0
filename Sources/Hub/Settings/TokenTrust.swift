import HTTP

/// Which addresses get a token: those of its site, and no others.
package struct TokenTrust: Sendable {
  /// The token, if there is one.
  package let token: Token?
  private let origins: Set<WebAddress.Origin>

  /// A token and the origins that get it.
  package init(_ token: Token?, origins: [WebAddress.Origin]) {
    self.token = token
    self.origins = Set(origins)
  }

  /// Whether an address belongs to the site.
  package func includes(_ address: WebAddress) -> Bool { origins.contains(address.origin) }

  /// The header for a request to `address`; nil if the address must not get the token. A plain `http` address gets it
  /// only if it is this machine itself, or the address that the person gave.
  package func authorization(for address: WebAddress) -> HTTPHeader? {
    guard let token, includes(address) else { return nil }
    return HTTPHeader("Authorization", "Bearer \(token.secret)")
  }
}
