/// Percent-encoding of addresses (RFC 3986).
package enum PercentEncoding {
  /// Encodes everything but letters, digits and `-._~`, for one segment of a path or a value in a query.
  package static func segment(_ text: some StringProtocol) -> String {
    var out = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        out.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        out += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
      }
    }
    return out
  }

  /// Encodes each segment of a path. The slashes stay.
  package static func path(_ text: String) -> String {
    text.split(separator: "/", omittingEmptySubsequences: false).map { segment($0) }.joined(separator: "/")
  }

  /// Decodes a text; nil if an escape is malformed or the result is not UTF-8.
  package static func decoded(_ text: some StringProtocol) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst(), let low = rest.popFirst(),
        let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(value)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}

extension String {
  /// The text without the characters at both ends for which `isLeftOut` is true.
  package func trimming(while isLeftOut: (Character) -> Bool) -> Substring {
    var rest = self[...]
    while let first = rest.first, isLeftOut(first) { rest.removeFirst() }
    while let last = rest.last, isLeftOut(last) { rest.removeLast() }
    return rest
  }
}
