import Foundation
import Release
import TestSupport
import Testing

/// All programs are of one version.
@Suite struct VersionTests {
  @Test(arguments: ["segmoe", "segmoectl", "segmoed"]) func isPrinted(program: String) throws {
    let outcome = try Outcome(of: program, ["--version"])
    #expect(outcome.code == 0 && outcome.output == Version.current + "\n" && outcome.errors == "")
  }
}
