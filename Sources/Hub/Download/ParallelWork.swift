import Foundation
import Synchronization

/// Runs work that blocks on a few threads.
package enum ParallelWork {
  /// Does `work` for each item in their order, `width` at a time.
  /// - Throws: the first error, after all threads have ended. After an error no further item is begun.
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
