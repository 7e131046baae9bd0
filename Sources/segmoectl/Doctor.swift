import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore

/// `segmoectl doctor`
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look for whatever keeps pictures from being rendered, and say what mends it.",
    discussion: """
      It looks at the queue (where, rights, schema, log, damage; of a queue on a server its version, the link and idle \
      transactions), the disk, the daemons, the processor, and the service's configuration against its sandbox. It changes \
      nothing. The exit code is 69 if something is bad.
      """)

  @OptionGroup var location: Location
  @OptionGroup var format: Format

  func run() throws {
    let place = location.place
    let service = ServiceChecks()
    let findings =
      QueueChecks(place: place).findings + DaemonChecks(place: place, hasUnit: service.hasUnit).findings
      + service.findings
      + DiskChecks(queue: place.isFile ? place.path : nil, output: service.setting("output")).findings
      + [ProcessorCheck.finding]
    let bad = findings.filter { $0.state == .bad }.count
    let warnings = findings.filter { $0.state == .warn }.count
    if format.json {
      print(
        JSONText.object([
          ("database", .string(place.path)), ("found_by", .string(place.source.rawValue)),
          ("bad", .integer(bad)), ("warnings", .integer(warnings)),
          ("findings", .array(findings.map(\.json))),
        ]).text)
    } else {
      for finding in findings { print(finding.line) }
    }
    if bad > 0 { throw ExitCode(ProgramExit.unavailable.rawValue) }
  }
}
