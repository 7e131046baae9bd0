/// The process's memory as the kernel counts it.
package enum ResidentMemory {
  /// The most that ever was resident, in bytes; 0 where the kernel doesn't say.
  package static var peakBytes: Int64 { read("VmHWM") }

  /// What is resident now, in bytes; 0 where the kernel doesn't say.
  package static var bytes: Int64 { read("VmRSS") }

  private static func read(_ field: String) -> Int64 {
    Int64(KernelFile.text("/proc/self/status").flatMap { KernelFile.bytes(field, in: $0) } ?? 0)
  }
}
