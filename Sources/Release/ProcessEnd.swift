import Foundation

/// How the programs end.
package enum ProcessEnd {
  /// Flushes the output and ends the process without the libraries' exit handlers. OpenBLAS's handler waits for its
  /// threads, and one of them may never end if memory was refused.
  package static func now(_ code: Int32) -> Never {
    fflush(nil)
    _exit(code)
  }
}
