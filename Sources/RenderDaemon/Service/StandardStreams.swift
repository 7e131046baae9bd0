import Foundation

/// Standard input, output and error of a program that runs for weeks: what becomes of those who read them must
/// not end it.
package enum StandardStreams {
  /// To be called first of all. A reader of the log that goes away is no reason to die (SIGPIPE), and a descriptor
  /// that came closed leads nowhere from now on: the next file opened would get its number, and the log's lines.
  package static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest number that is free is this one: those below are open by now.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY)
    }
  }

  /// Writes to standard error. What the disk has no room for, or nobody reads, is left out.
  package static func complain(_ text: String) { write(text, to: STDERR_FILENO) }

  static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var written = 0
      while written < bytes.count, let base = bytes.baseAddress {
        let count = Glibc.write(descriptor, base + written, bytes.count - written)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return }
        written += count
      }
    }
  }
}
