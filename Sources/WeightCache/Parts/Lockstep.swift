import Foundation
import Synchronization
import Tensors

/// Leads the passes of several images through one network together. An image computes until it has used a part of the
/// network. Then it is the next image's turn. All images use a part before any goes on, so one read of the part
/// serves all.
///
/// Every pass has a thread of its own, and its code is as if it were alone. Only one runs at any time, so each
/// computes what it would compute alone.
package final class Lockstep: @unchecked Sendable {
  // Unchecked: every property is touched only with `condition` held.
  private let condition = NSCondition()
  /// Whether each image is still on its way.
  private var walking: [Bool]
  /// Whose turn it is.
  private var current = 0

  /// One image's place among those that go together.
  package struct Place: Sendable {
    fileprivate let lockstep: Lockstep
    /// Which image this is, from 0.
    package let index: Int

    /// Lets the other images use the part that this one has just used. Returns when it is this one's turn again.
    package func letOthersUse() { lockstep.pass(from: index) }
  }

  private init(count: Int) { walking = Array(repeating: true, count: count) }

  /// Runs `body` for the images 0 ..< `count` together. If one throws, or the system refuses its thread, the others go
  /// on.
  /// - Returns: how each image's pass ended, in order.
  package static func run<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Place) throws -> Value
  ) -> [Result<Value, any Error>] {
    let lockstep = Lockstep(count: count)
    let outcomes = Outcomes<Value>()
    let lane = WorkLane.current
    for index in 0..<count {
      do {
        try WorkThread.start("segmoe-image-\(index)", stackBytes: 8 << 20) {
          lockstep.waitForTurn(index)
          let outcome = WorkLane.$current.withValue(lane) {
            Result { try body(Place(lockstep: lockstep, index: index)) }
          }
          outcomes.values.withLock { $0[index] = outcome }
          lockstep.end(index)
        }
      } catch {
        outcomes.values.withLock { $0[index] = .failure(error) }
        lockstep.end(index)
      }
    }
    lockstep.waitForAll()
    let values = outcomes.values.withLock { $0 }
    return (0..<count).compactMap { values[$0] }
  }

  private final class Outcomes<Value: Sendable>: Sendable {
    let values = Mutex<[Int: Result<Value, any Error>]>([:])
  }

  private func pass(from index: Int) {
    condition.lock()
    goOn(from: index)
    while current != index { condition.wait() }
    condition.unlock()
  }

  private func waitForTurn(_ index: Int) {
    condition.lock()
    while current != index { condition.wait() }
    condition.unlock()
  }

  private func end(_ index: Int) {
    condition.lock()
    walking[index] = false
    // One that never began may end while another computes.
    if current == index { goOn(from: index) } else { condition.broadcast() }
    condition.unlock()
  }

  private func waitForAll() {
    condition.lock()
    while walking.contains(true) { condition.wait() }
    condition.unlock()
  }

  /// Gives the turn to the next image that has not ended. `condition` is held.
  private func goOn(from index: Int) {
    let following = (1...walking.count).lazy.map { (index + $0) % self.walking.count }
    if let next = following.first(where: { walking[$0] }) { current = next }
    condition.broadcast()
  }
}
