import Foundation
import HTTP

/// How long a site asks to wait after too many requests.
enum RateLimit {
  /// The seconds from `RateLimit: "api";r=0;t=55` if that limit was reached, otherwise from `Retry-After`; nil if there
  /// is neither.
  static func wait(_ head: HTTPHead, now: Date = Date()) -> Int? {
    if let limit = head["ratelimit"] {
      var values: [Substring: Int] = [:]
      for part in limit.split(separator: ";") {
        let sides = part.split(separator: "=")
        if sides.count == 2 { values[sides[0].drop { $0 == " " }] = Int(sides[1]) }
      }
      if values["r"] == 0, let seconds = values["t"], (0...1_000_000).contains(seconds) { return seconds + 1 }
    }
    guard let text = head["retry-after"] else { return nil }
    if let seconds = Int(text) { return seconds < 0 ? nil : seconds }
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = TimeZone(secondsFromGMT: 0)
    format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    return format.date(from: text).map { max(0, Int($0.timeIntervalSince(now).rounded(.up))) }
  }
}
