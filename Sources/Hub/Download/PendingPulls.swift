import Foundation
import Requests

/// Sources on their way: pulled in their order, two at a time, while the first ones are already used.
package final class PendingPulls: Sendable {
  private struct State {
    var paths: [ModelSource: String] = [:]
    var error: (any Error)?
    var isOver = false
  }

  /// Guards `state`.
  private let condition = NSCondition()
  private nonisolated(unsafe) var state = State()

  /// A source, and what it is pulled for.
  package typealias Wanted = (source: ModelSource, use: ModelUse)

  /// Sources at the same time.
  private static let width = 2

  /// Begins.
  /// - Parameters:
  ///   - wanted: each source once, in the order in which they are needed.
  ///   - puller: pulls them.
  package init(_ wanted: [Wanted], puller: ModelPuller) {
    let thread = Thread { [self] in
      let result = Result {
        try ParallelWork.run(wanted, width: Self.width) { [self] wanted in
          let path = try puller.pull(wanted.source, for: wanted.use).path
          change { $0.paths[wanted.source] = path }
        }
      }
      change { state in
        if case .failure(let error) = result { state.error = error }
        state.isOver = true
      }
    }
    thread.name = "segmoe-pulls"
    thread.start()
  }

  private func change(_ body: (inout State) -> Void) {
    condition.withLock {
      body(&state)
      condition.broadcast()
    }
  }

  /// Where a source lies; waits until it is here.
  /// - Throws: `HubError`, of any of the sources.
  package func path(of source: ModelSource) throws -> String {
    try condition.withLock {
      while true {
        if let path = state.paths[source] { return path }
        if let error = state.error { throw error }
        if state.isOver { throw HubError.gone(what: "\(source)", reason: "it was not asked for") }
        condition.wait()
      }
    }
  }

  /// Whether a source is here.
  package func isHere(_ source: ModelSource) -> Bool { condition.withLock { state.paths[source] != nil } }

  /// Ends a work that one of the sources will never come to.
  /// - Throws: `HubError`, the first one.
  package func check() throws {
    try condition.withLock { if let error = state.error { throw error } }
  }
}
