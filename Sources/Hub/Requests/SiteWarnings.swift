import HTTP
import Requests
import Synchronization

/// What a hub has warned of (`X-HF-Warning: topic; text`): each topic is said once.
package final class SiteWarnings: Sendable {
  private let topics = Mutex<Set<String>>([])

  /// Nothing yet.
  package init() {}

  /// The text of a warning whose topic is new; nil without one.
  func new(_ head: HTTPHead) -> String? {
    guard let header = head["x-hf-warning"], !header.isEmpty else { return nil }
    // A text without a topic is its own.
    let parts = header.split(separator: ";", maxSplits: 1)
    let text = String(String(parts.last ?? "").trimming(while: \.isWhitespace))
    let topic = parts.count == 2 ? String(parts[0]) : text
    guard !text.isEmpty, topics.withLock({ $0.insert(topic).inserted }) else { return nil }
    return "the hub says: \(text)"
  }
}
