import Foundation

/// Whether the system gives a process what it cannot begin without. Libraries that start threads wait for ever if they
/// get none, so it is asked for first.
package enum ProcessRoom {
  /// Starts threads that end at once when all are there, and asks for addresses.
  /// - Parameters:
  ///   - threads: how many at one time.
  ///   - bytes: of addresses beside those of the threads.
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
