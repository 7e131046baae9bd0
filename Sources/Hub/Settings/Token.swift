import Requests

/// A secret that tells a site who asks. It has no text of its own, so that no message can show it by accident.
package struct Token: Sendable, Equatable, CustomStringConvertible {
  /// What goes into the `Authorization` header.
  let secret: String
  /// Where it was found, for messages: `HF_TOKEN`.
  package let origin: String

  /// Nil for a blank text. Blanks and newlines at the ends are no part of a token.
  package init?(_ text: String, from origin: String) {
    let secret = String(text.trimming(while: \.isWhitespace))
    // Anything else would end the header's line, or be no token at all.
    guard !secret.isEmpty, secret.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    self.secret = secret
    self.origin = origin
  }

  package var description: String { "the token of \(origin)" }
}
