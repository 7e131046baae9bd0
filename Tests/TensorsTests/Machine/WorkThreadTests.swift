import Foundation
import Synchronization
import Tensors
import Testing

/// Threads that say whether they are there.
@Suite struct WorkThreadTests {
  @Test func itRunsUnderItsName() throws {
    let over = DispatchSemaphore(value: 0)
    let name = Mutex("")
    try WorkThread.start("segmoe-test-thread-1") {
      let found = (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? ""
      name.withLock { $0 = found }
      over.signal()
    }
    over.wait()
    // The kernel keeps 15 bytes.
    #expect(name.withLock { $0 } == "segmoe-test-thr\n")
  }

  @Test func aRefusedThreadIsAnError() {
    #expect(throws: ThreadError.self) { try WorkThread.start("large", stackBytes: 1 << 60) {} }
  }

  @Test func roomIsAskedFor() throws {
    try ProcessRoom.check(threads: 3, bytes: 1 << 20)
    #expect(throws: MemoryRefusal()) { try ProcessRoom.check(threads: 1, bytes: 1 << 60) }
  }
}
