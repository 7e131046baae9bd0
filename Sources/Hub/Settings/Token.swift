import Requests

/// The secret that tells a site who asks. Its description is not the secret, so that no message shows it by accident.
package struct Token: Sendable, Equatable, CustomStringConvertible {
  /// The secret in the `Authorization` header.
  let secret: String
  /// Where the token was found, for messages: `HF_TOKEN`.
  package let origin: String

  /// nil for a blank text. White space at the ends is not part of the token.
  package init?(_ text: String, from origin: String) {
    let secret = String(text.trimming(while: \.isWhitespace))
    // Other characters could end the header's line, and no token has them.
    guard !secret.isEmpty, secret.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    self.secret = secret
    self.origin = origin
  }

  package var description: String { "the token of \(origin)" }
}
