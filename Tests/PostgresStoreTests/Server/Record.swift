import Synchronization

/// What many threads have done.
final class Record<Element: Sendable>: Sendable {
  private let gathered = Mutex<[Element]>([])

  func add(_ element: Element) { gathered.withLock { $0.append(element) } }
  var all: [Element] { gathered.withLock { $0 } }
}
