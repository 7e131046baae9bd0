import Foundation

/// Checks at the start that the system gives the process threads and addresses. Some libraries wait for ever if they
/// cannot start a thread.
package enum ProcessRoom {
  /// Starts threads, which end as soon as all are there, and asks for addresses.
  /// - Parameters:
  ///   - threads: how many threads at one time.
  ///   - bytes: the bytes of addresses beside those of the threads.
  /// - Throws: `ThreadError`, and `MemoryRefusal` if there are no addresses.
  package static func check(threads: Int, bytes: Int) throws {
    let gate = Gate()
    defer { gate.open() }
    for index in 0..<threads {
      try WorkThread.start("segmoe-probe-\(index)") { gate.wait() }
    }
    guard TensorMemory.isAvailable(bytes) else { throw MemoryRefusal() }
  }

  /// Holds threads until it opens.
  private final class Gate: @unchecked Sendable {
    // Unchecked: the condition has a lock of its own.
    private let condition = NSCondition()
    private var isOpen = false

    func wait() {
      condition.lock()
      while !isOpen { condition.wait() }
      condition.unlock()
    }

    func open() {
      condition.lock()
      isOpen = true
      condition.broadcast()
      condition.unlock()
    }
  }
}
