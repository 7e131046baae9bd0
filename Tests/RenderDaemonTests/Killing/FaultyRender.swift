import Foundation
import TestSupport

/// `segmoe render` of a golden model under rules of `faults.c`, over and over into one file.
struct FaultyRender {
  /// How a run ended.
  struct Ending {
    /// The exit code, or −1 if a signal ended it.
    let code: Int32
    let errors: String
    /// The file that it left; nil: none.
    let picture: Data?
    /// Whether a rule struck.
    let wasStruck: Bool
  }

  private let folder: TemporaryFolder
  private let arguments: [String]

  /// - Parameters:
  ///   - folder: for the picture and what struck.
  ///   - arguments: more settings.
  init(in folder: TemporaryFolder, _ arguments: [String]) {
    self.folder = folder
    self.arguments =
      [
        "render", Places.golden("model/base"), "--guidance", "3", "--steps", "2", "--width", "64", "--height",
        "64", "--threads", "1", "--quiet", "--output", folder.file("picture.png"),
      ] + arguments
  }

  /// Runs it to its end.
  /// - Parameters:
  ///   - rules: of `faults.c`.
  ///   - whenHeld: called each time that a rule has stopped it. Then it goes on.
  func run(_ rules: [String], whenHeld: () throws -> Void = {}) throws -> Ending {
    let (picture, strikes) = (folder.file("picture.png"), folder.file("strikes"))
    for file in [picture, strikes] { unlink(file) }
    let process = try Process(
      "segmoe", arguments,
      environment: ["PATH": "/usr/bin:/bin", "HOME": folder.path].merging(
        FaultLibrary.environment(rules, log: strikes)
      ) { $1 })
    let errors = Pipe()
    process.standardOutput = FileHandle.nullDevice
    process.standardError = errors
    let complaint = GatheredOutput(errors)
    try process.run()
    _ = try HeldProcess(pid: process.processIdentifier).goOn {
      try whenHeld()
      return false
    }
    process.waitUntilExit()
    return Ending(
      code: process.terminationReason == .exit ? process.terminationStatus : -1, errors: complaint.text(),
      picture: FileManager.default.contents(atPath: picture),
      wasStruck: FileManager.default.fileExists(atPath: strikes))
  }
}
