import Boundary
import CKernels
import Glibc

/// A thread whose start can fail. Foundation's `Thread` does not report that the system refused it, so its owner would
/// wait for ever.
package enum WorkThread {
  /// Starts a thread. It ends when `body` returns.
  /// - Parameters:
  ///   - name: for debuggers and `top`; the kernel keeps 15 bytes of it.
  ///   - stackBytes: the bytes of its stack, in whole pages.
  ///   - body: what it does.
  /// - Throws: `ThreadError`
  package static func start(
    _ name: String, stackBytes: Int = 1 << 20, _ body: @escaping @Sendable () -> Void
  ) throws(ThreadError) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackBytes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let work = Unmanaged.passRetained(Work(name: name, body: body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, &attributes,
      { given in
        guard let given else { return nil }
        Unmanaged<Work>.fromOpaque(given).takeRetainedValue().run()
        return nil
      }, work.toOpaque())
    guard code == 0 else {
      work.release()
      throw ThreadError(thread: name, code: code)
    }
  }

  private final class Work: Sendable {
    private let name: String
    private let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }

    func run() {
      segmoe_name_thread(String(decoding: name.utf8.prefix(15), as: UTF8.self))
      body()
    }
  }
}

/// The system refused a thread.
package struct ThreadError: Error, Equatable, CustomStringConvertible {
  /// The thread's name.
  package let thread: String
  /// The system's error number.
  package let code: Int32

  package init(thread: String, code: Int32) {
    self.thread = thread
    self.code = code
  }

  package var description: String {
    "the system refuses the thread '\(thread)' (\(String(cString: strerror(code)))); "
      + "allow this process more threads or memory (ulimit -u and -v, or TasksMax= and MemoryMax= of its service)"
  }
}

/// There may be a thread later.
extension ThreadError: ExitCoded {
  package var exit: ProgramExit { .unavailable }
}
