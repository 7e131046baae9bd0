import CKernels
import Foundation

/// What `doctor` looks at of the disks.
struct DiskChecks {
  /// The queue's database, if it is in a file.
  let queue: String?
  /// The folder of pictures, if it is known.
  let output: String?

  /// Below this there may be no room for the next change, or the next picture.
  private static let least: UInt64 = 64 << 20
  /// Below this it is worth a word.
  private static let little: UInt64 = 1 << 30

  var findings: [Finding] {
    let folder = queue.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path }
    return [folder, output].compactMap { $0 }.compactMap(finding)
  }

  private func finding(_ folder: String) -> Finding? {
    var room = statvfs()
    guard statvfs(folder, &room) == 0 else { return nil }
    let bytes = UInt64(room.f_bavail) * UInt64(room.f_frsize)
    let text = "\(bytes >> 20) MiB are free for \(folder)"
    let mend = "free some; `segmoectl purge --older-than 30d --files DIR` removes old jobs and their pictures"
    if room.f_flag & UInt(ST_RDONLY) != 0 {
      return .bad(
        "disk", "\(folder) is on a file system that is read-only", mend: "`mount` and `dmesg` say why")
    }
    // Some file systems do not count files.
    if room.f_files > 0 && room.f_favail == 0 {
      return .bad("disk", "no file can be made below \(folder): it has no inode left", mend: mend)
    }
    if bytes < Self.least { return .bad("disk", text, mend: mend) }
    return bytes < Self.little ? .warn("disk", text, mend: mend) : .ok("disk", text)
  }
}

/// What `doctor` says of the processor.
enum ProcessorCheck {
  static var finding: Finding {
    if segmoe_isa_available(SEGMOE_ISA_AVX512) != 0 {
      let bf16 = segmoe_bf16_is_native() != 0
      let tiles = segmoe_product_isa_available(SEGMOE_PRODUCT_AMX) != 0 ? " and AMX" : ""
      return .ok("processor", "AVX-512\(bf16 ? " with BF16\(tiles): renders are in bf16 by default" : "")")
    }
    if segmoe_isa_available(SEGMOE_ISA_AVX2) != 0 { return .ok("processor", "AVX2") }
    if segmoe_isa_available(SEGMOE_ISA_NEON) != 0 {
      if segmoe_bf16_is_native() != 0 {
        return .ok("processor", "NEON with BF16: renders are in bf16 by default")
      }
      let dot = segmoe_product_isa_available(SEGMOE_PRODUCT_NEON_DOT) != 0
      return .ok("processor", dot ? "NEON with dot products" : "NEON")
    }
    return .warn(
      "processor", "it has neither AVX2 nor AVX-512: pictures take many times as long",
      mend: "in a virtual machine, pass the host's processor on (`-cpu host`)")
  }
}
