import CKernels
import Foundation
import Synchronization

/// A fixed set of threads that share out the tasks of one parallel section at a time.
///
/// The next section mostly follows at once. So an idle thread first looks for it, about as long as sleeping and waking
/// would take. Then it sleeps on a condition. The caller cuts the work into tasks (`Compute.cut`), so that no result depends
/// on where a task ends.
package final class ThreadPool: Sendable {
  /// Threads that work on a section, the calling one included.
  package let threadCount: Int
  private let board: Board
  /// Records the tasks, if there is one thread; nil if they are not recorded.
  private let trace: SectionTrace?

  /// Starts `threadCount - 1` threads. The caller of `run` is the last one. If the system refuses some threads, the
  /// others do their work. No result depends on the number of threads.
  /// - Parameters:
  ///   - threadCount: 1 or more.
  ///   - trace: records the tasks, if `threadCount` is 1.
  package init(threadCount: Int, trace: SectionTrace? = nil) {
    self.trace = trace
    let wanted = max(1, threadCount)
    let board = Board(looks: wanted <= ProcessorLimit.current ? 2500 : 400)
    self.board = board
    var started = 1
    while started < wanted,
      (try? WorkThread.start("segmoe-work-\(started)", stackBytes: 4 << 20, board.work)) != nil
    {
      started += 1
    }
    self.threadCount = started
  }

  deinit { board.close() }

  /// Scratch memory for `count` floats. It belongs to the calling thread until that thread asks again.
  static func scratch(_ count: Int) -> UnsafeMutablePointer<Float> {
    let bytes = count * MemoryLayout<Float>.stride
    guard let base = segmoe_thread_scratch(bytes) ?? reserve(bytes) else {
      preconditionFailure("no memory for \(bytes) bytes, and no plan was made that reserves as much")
    }
    return base.bindMemory(to: Float.self, capacity: count)
  }

  /// The reserve block for a caller whom the system refuses memory (see `MemoryBlock`). It stays mapped until the next
  /// render is planned.
  private static func reserve(_ bytes: Int) -> UnsafeMutableRawPointer? {
    guard let base = segmoe_memory_take_reserve(bytes) else { return nil }
    defer { segmoe_memory_give_reserve() }
    return base
  }

  /// Runs `body(0) … body(taskCount - 1)`, each once, and returns when all have ended.
  /// Sections of one pool run one after another: a second caller waits.
  package func run(_ taskCount: Int, _ body: (Int) -> Void) {
    if taskCount <= 1 || threadCount == 1 {
      if let trace, trace.run(max(0, taskCount), body) { return }
      for task in 0..<max(0, taskCount) { body(task) }
      return
    }
    withoutActuallyEscaping(body) { body in
      board.run(Section(taskCount: taskCount, body: body), helpers: min(taskCount, threadCount) - 1)
    }
  }

  /// Seconds to start a section on all threads and to see its end: the median of many empty ones.
  package func handover() -> Double {
    let clock = ContinuousClock()
    return (0..<2000).map { _ in clock.measure { run(threadCount) { _ in } }.seconds }.median ?? 0
  }
}

/// One parallel section: a counter of tasks handed out and one of tasks finished.
private final class Section: @unchecked Sendable {
  // Unchecked: `body` is called from several threads. That is what the pool is for.
  let taskCount: Int
  let body: (Int) -> Void
  let next = Atomic<Int>(0)
  let finished = Atomic<Int>(0)

  init(taskCount: Int, body: @escaping (Int) -> Void) {
    self.taskCount = taskCount
    self.body = body
  }

  /// Takes tasks until none is left; true if this call finished the last task.
  func drain() -> Bool {
    var last = false
    while true {
      let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
      if task >= taskCount { return last }
      body(task)
      last = finished.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == taskCount
    }
  }
}

/// Where sections are posted and threads wait for them.
private final class Board: @unchecked Sendable {
  // Unchecked: every property that is not atomic is read and written with `condition` held.
  private let condition = NSCondition()
  /// Signalled when the last thread leaves a section. The section's owner waits for it.
  private let over = DispatchSemaphore(value: 0)
  private var ownerSleeps = false
  private let turn = NSLock()
  private var section: Section?
  private let generation = Atomic<Int>(0)
  /// Threads that hold the section. It grows only while `condition` is held.
  private let inside = Atomic<Int>(0)
  private var closed = false
  /// How often a thread looks for the next section before it sleeps; a look takes some 50 ns.
  private let looks: Int

  /// - Parameter looks: should be small if there are more threads than processors: a thread that looks keeps a
  ///   processor from the others.
  init(looks: Int) { self.looks = looks }

  /// - Parameter helpers: threads to wake. Threads that are awake help as well.
  func run(_ section: Section, helpers: Int) {
    turn.lock()
    defer { turn.unlock() }
    condition.lock()
    self.section = section
    generation.wrappingAdd(1, ordering: .relaxed)
    for _ in 0..<helpers { condition.signal() }
    condition.unlock()
    _ = section.drain()
    // No thread may still hold the section's body when this returns.
    let isOver = {
      section.finished.load(ordering: .acquiring) == section.taskCount
        && self.inside.load(ordering: .acquiring) == 0
    }
    look(for: isOver)
    condition.lock()
    self.section = nil
    ownerSleeps = !isOver()
    let waits = ownerSleeps
    condition.unlock()
    if waits { over.wait() }
  }

  /// Looks for the next section for a little while.
  private func look(for arrived: () -> Bool) {
    for _ in 0..<looks {
      if arrived() { return }
      segmoe_pause()
    }
  }

  func work() {
    var seen = 0
    condition.lock()
    while !closed {
      let current = generation.load(ordering: .relaxed)
      guard current != seen, var taken = section.map(Optional.some) else {
        condition.wait()
        continue
      }
      seen = current
      inside.wrappingAdd(1, ordering: .relaxed)
      condition.unlock()
      _ = taken?.drain()
      // The section is released before its owner may go on: its body must not be used after that.
      taken = nil
      inside.wrappingSubtract(1, ordering: .acquiringAndReleasing)
      condition.lock()
      // Checked again: by now the next section's owner may be the one that sleeps.
      if ownerSleeps && inside.load(ordering: .acquiring) == 0 {
        ownerSleeps = false
        over.signal()
      }
      condition.unlock()
      look { generation.load(ordering: .relaxed) != seen }
      condition.lock()
    }
    condition.unlock()
  }

  func close() {
    condition.lock()
    closed = true
    condition.broadcast()
    condition.unlock()
  }
}
