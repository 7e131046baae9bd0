import Foundation
import Synchronization

/// Runs blocking work on a few threads of its own.
package enum ParallelWork {
  /// Does `work` for each item, `width` at a time, the first ones first.
  /// - Throws: the first error, once all threads have ended; items not begun then are left out.
  package static func run<Item: Sendable>(
    _ items: [Item], width: Int, _ work: @escaping @Sendable (Item) throws -> Void
  ) throws {
    let state = Shared(items)
    let group = DispatchGroup()
    for _ in 0..<min(width, items.count) {
      group.enter()
      let thread = Thread {
        while let item = state.next() {
          do { try work(item) } catch { state.fail(error) }
        }
        group.leave()
      }
      thread.name = "segmoe-fetch"
      thread.start()
    }
    group.wait()
    try state.rethrow()
  }

  private final class Shared<Item: Sendable>: Sendable {
    private let state: Mutex<(rest: ArraySlice<Item>, error: (any Error)?)>

    init(_ items: [Item]) { state = Mutex((items[...], nil)) }

    func next() -> Item? { state.withLock { $0.error == nil ? $0.rest.popFirst() : nil } }

    func fail(_ error: any Error) { state.withLock { $0.error = $0.error ?? error } }

    func rethrow() throws { if let error = state.withLock(\.error) { throw error } }
  }
}
