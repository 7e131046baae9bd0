import Foundation

/// A process that stands still: by a rule of `faults.c`, or because it was told to. What it is at waits for the test,
/// however long that takes.
package struct HeldProcess {
  /// Its number.
  package let pid: Int32

  /// - Parameter pid: its number.
  package init(pid: Int32) { self.pid = pid }

  /// It neither stood where it was wanted, nor ended.
  package struct WaitedTooLong: Error {}

  /// Whether nothing goes on in it.
  package var isStopped: Bool { value("State")?.first == "T" }

  /// Whether it is over, by itself or not.
  package var hasEnded: Bool {
    kill(pid, 0) != 0 || value("State").map { "ZX".contains($0.prefix(1)) } == true
  }

  /// Whether a signal has come that it will get when it goes on.
  package func awaits(_ signal: Int32) -> Bool {
    ["ShdPnd", "SigPnd"].contains { name in
      value(name).flatMap { UInt64($0, radix: 16) }.map { $0 & (1 << UInt64(signal - 1)) != 0 } ?? false
    }
  }

  /// Tells it to stand still; it may take a moment.
  package func stop() { kill(pid, SIGSTOP) }

  /// Lets it go on.
  package func goOn() { kill(pid, SIGCONT) }

  /// Lets one that stops itself over and over go on until something is so while it stands still.
  /// - Returns: false if it has ended before that.
  /// - Throws: `WaitedTooLong`, or what the condition throws.
  package func goOn(until condition: () throws -> Bool) throws -> Bool {
    let limit = Patience.end
    while !hasEnded {
      if isStopped {
        if try condition() { return true }
        goOn()
      }
      guard Date() < limit else { throw WaitedTooLong() }
      Thread.sleep(forTimeInterval: 0.01)
    }
    return false
  }

  /// Lets it go on, wherever it stops itself, to its end.
  package func goOnToTheEnd() {
    let limit = Patience.end
    while !hasEnded, Date() < limit {
      goOn()
      Thread.sleep(forTimeInterval: 0.005)
    }
  }

  /// What the kernel says of it; nil if there is no such process.
  private func value(_ name: String) -> Substring? {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8) else { return nil }
    return text.split(separator: "\n").first { $0.hasPrefix(name + ":") }?.split(separator: "\t").last
  }
}
