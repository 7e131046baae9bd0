/// Who gets to see a token: a site's own addresses, and nobody else.
package struct TokenTrust: Sendable {
  /// The token, if there is one.
  package let token: Token?
  private let origins: Set<WebAddress.Origin>

  /// Trust in some sites.
  package init(_ token: Token?, origins: [WebAddress.Origin]) {
    self.token = token
    self.origins = Set(origins)
  }

  /// Whether an address belongs to the site.
  package func includes(_ address: WebAddress) -> Bool { origins.contains(address.origin) }

  /// The header for a request to `address`; nil where the token must not go. A plain `http` address never gets one,
  /// but for this machine itself and for the very address that the person named.
  package func authorization(for address: WebAddress) -> HTTPHeader? {
    guard let token, includes(address) else { return nil }
    return HTTPHeader("Authorization", "Bearer \(token.secret)")
  }
}
