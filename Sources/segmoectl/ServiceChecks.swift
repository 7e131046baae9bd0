import Boundary
import Foundation

/// What `doctor` learns of the service: `segmoed check-config` knows what its configuration, its unit and its drop-ins
/// lead to.
struct ServiceChecks {
  /// What `segmoed check-config --json` prints.
  private struct Report: Decodable {
    struct Fault: Decodable {
      let setting: String
      let fault: String
      let mend: String
    }

    let file: String
    let unit: String?
    let settings: [String: String]
    let faults: [Fault]
  }

  private let report: Report?
  let findings: [Finding]

  init() {
    guard let program = Self.program else {
      report = nil
      findings = [.ok("service", "segmoed is not installed here")]
      return
    }
    let (output, complaint) = Self.run(program)
    guard let found = try? JSONDecoder().decode(Report.self, from: output) else {
      report = nil
      findings = [
        .bad(
          "service", complaint.isEmpty ? "\(program) check-config says nothing" : complaint,
          mend: "mend that file")
      ]
      return
    }
    report = found
    guard let unit = found.unit else {
      findings = [.ok("service", "no unit is installed; segmoed runs by hand")]
      return
    }
    findings =
      found.faults.isEmpty
      ? [.ok("service", "\(unit) and \(found.file) agree, and its folders are there")]
      : found.faults.map { .bad("service", "\($0.setting): \($0.fault)", mend: $0.mend) }
  }

  /// Whether the service's unit is installed.
  var hasUnit: Bool { report?.unit != nil }

  /// A setting that the service runs with; nil if there is none.
  func setting(_ key: String) -> String? { report?.unit == nil ? nil : report?.settings[key] }

  /// segmoed, beside this program or on the path.
  private static var program: String? {
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .path
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    return ([own] + path.split(separator: ":").map(String.init)).map { $0 + "/segmoed" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private static func run(_ program: String) -> (output: Data, complaint: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = ["check-config", "--json"]
    let (output, errors) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors
    do {
      try process.run()
    } catch {
      return (Data(), "\(program) does not start: \(error.localizedDescription)")
    }
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (text, PlainText.line(complaint.trimmingCharacters(in: .whitespacesAndNewlines)))
  }
}
