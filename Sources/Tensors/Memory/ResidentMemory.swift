/// The process's memory as the kernel counts it.
package enum ResidentMemory {
  /// The peak of resident memory in bytes; 0 if the kernel does not say.
  package static var peakBytes: Int64 { read("VmHWM") }

  /// Resident memory in bytes; 0 if the kernel does not say.
  package static var bytes: Int64 { read("VmRSS") }

  private static func read(_ field: String) -> Int64 {
    Int64(KernelFile.text("/proc/self/status").flatMap { KernelFile.bytes(field, in: $0) } ?? 0)
  }
}
