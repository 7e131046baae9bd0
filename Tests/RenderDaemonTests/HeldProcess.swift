import Foundation

/// A process that stands still: by a rule of `faults.c`, or because it was told to. What it is at waits for the test,
/// however long that takes.
struct HeldProcess {
  let pid: Int32

  /// Whether nothing goes on in it.
  var isStopped: Bool { value("State")?.first == "T" }

  /// Whether a signal has come that it will get when it goes on.
  func awaits(_ signal: Int32) -> Bool {
    ["ShdPnd", "SigPnd"].contains { name in
      value(name).flatMap { UInt64($0, radix: 16) }.map { $0 & (1 << UInt64(signal - 1)) != 0 } ?? false
    }
  }

  /// Tells it to stand still; it may take a moment.
  func stop() { kill(pid, SIGSTOP) }

  func goOn() { kill(pid, SIGCONT) }

  /// What the kernel says of it; nil if there is no such process.
  private func value(_ name: String) -> Substring? {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8) else { return nil }
    return text.split(separator: "\n").first { $0.hasPrefix(name + ":") }?.split(separator: "\t").last
  }
}
