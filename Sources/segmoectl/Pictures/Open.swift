import ArgumentParser
import CommandLine
import Foundation

/// `segmoectl open`
struct Open: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Open a job's finished pictures, or a PNG file, in the desktop's viewer.",
    discussion: """
      It runs xdg-open for each picture. Where there is no desktop or no xdg-open, it prints the paths, says why, and ends \
      with 69. `segmoectl view` shows pictures in the terminal.
      """)

  @OptionGroup var pictures: NamedPictures

  func run() throws {
    let environment = ProcessInfo.processInfo.environment
    let paths = try pictures.paths()
    try pictures.list(paths)
    guard ["DISPLAY", "WAYLAND_DISPLAY"].contains(where: { environment[$0]?.isEmpty == false }) else {
      throw Problem.unavailable(
        "no desktop here (neither DISPLAY nor WAYLAND_DISPLAY is set): copy the pictures, or `segmoectl view \(pictures.picture)`"
      )
    }
    guard let opener = Self.program("xdg-open", environment) else {
      throw Problem.unavailable(
        "there is no xdg-open here: install xdg-utils, or open the pictures with a viewer of your own")
    }
    for path in paths {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: opener)
      process.arguments = [path]
      // The output is the list of paths.
      process.standardOutput = FileHandle.standardError
      try process.run()
      process.waitUntilExit()
      guard process.terminationReason == .exit, process.terminationStatus == 0 else {
        throw Problem.failed(
          "xdg-open could not open \(path) (it ended with \(process.terminationStatus)): open it with a viewer of your own"
        )
      }
    }
  }

  /// A program on the path.
  private static func program(_ name: String, _ environment: [String: String]) -> String? {
    (environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map { "\($0)/\(name)" }
      .first { access($0, X_OK) == 0 }
  }
}
