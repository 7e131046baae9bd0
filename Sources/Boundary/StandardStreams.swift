import Foundation

/// Standard input, output and error of a program that runs for weeks. It must not end when their readers do.
package enum StandardStreams {
  /// Prepares the streams. It must be called before anything else.
  ///
  /// SIGPIPE is ignored, so that the program survives the reader of its log. A descriptor that was inherited closed
  /// is opened on `/dev/null`. Otherwise the next file opened would get its number, and the log would be written into
  /// it.
  package static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // open() takes the lowest free number, which is this one, because those below are open by now.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY)
    }
  }

  /// Writes to standard error. If the disk is full or nobody reads it, the text is lost.
  package static func complain(_ text: String) { write(text, to: STDERR_FILENO) }

  private static func write(_ text: String, to descriptor: Int32) {
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
