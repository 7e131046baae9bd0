import Foundation

/// The process's memory as the kernel counts it.
package enum ResidentMemory {
  /// The most that was resident since `restartPeak`, or ever, in bytes; 0 where the kernel doesn't say.
  package static var peakBytes: Int64 { read("VmHWM") }

  /// The peak is what is resident now; a kernel that does not offer this keeps the old one.
  package static func restartPeak() {
    try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
  }

  /// What is resident now, in bytes; 0 where the kernel doesn't say.
  package static var bytes: Int64 { read("VmRSS") }

  private static func read(_ field: String) -> Int64 {
    Int64(KernelFile.text("/proc/self/status").flatMap { KernelFile.bytes(field, in: $0) } ?? 0)
  }
}
