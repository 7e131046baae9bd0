import Foundation

/// How the programs end.
package enum ProcessEnd {
  /// Ends the process once what was printed is out. The libraries' own farewells are left out: OpenBLAS waits for its
  /// threads, one of which may never come to an end where memory is refused.
  package static func now(_ code: Int32) -> Never {
    fflush(nil)
    _exit(code)
  }
}
