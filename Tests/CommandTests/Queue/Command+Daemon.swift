import Foundation
import Images
import JobStore
import TestSupport
import Testing

extension Command {
  /// Does something while a real daemon works on the queue. Its pictures go into `out`.
  func withDaemon(_ body: () throws -> Void) throws {
    let daemon = try Process(
      "segmoed", ["--database", database, "--output", folder + "/out", "--log-level", "error"])
    daemon.standardOutput = FileHandle.nullDevice
    let complaint = Pipe()
    daemon.standardError = complaint
    let said = GatheredOutput(complaint)
    try daemon.run()
    defer {
      #expect(daemon.isRunning)
      daemon.terminate()
      daemon.waitUntilExit()
      #expect(said.text() == "")
    }
    try body()
  }

  /// Finishes the next job with pictures that are there: each of one colour, in a folder `made`.
  /// - Returns: the paths.
  @discardableResult func finish(
    _ session: WorkerSession, with pictures: [RGBImage]
  ) throws -> [String] {
    let claimed = try #require(try session.claim())
    let images = try pictures.enumerated().map { index, picture in
      let path = "\(folder)/made/\(claimed.job.id)-\(index).png"
      try file("made/\(claimed.job.id)-\(index).png", Data(PNGFile.encode(picture)))
      return ImageRecord(
        index: index, path: path, seed: claimed.request.render.seed + UInt64(index), width: picture.width,
        height: picture.height, digest: String(repeating: "a", count: 64), bytes: 1, seconds: 1)
    }
    try session.finish(claimed.lease, images: images, statistics: RenderStatistics())
    return images.map(\.path)
  }

  /// Runs it on a terminal to its end.
  /// - Returns: the exit code, and what the terminal got, with plain line breaks.
  func onTerminal(
    _ arguments: [String], _ terminal: PseudoTerminal, environment: [String: String] = [:]
  ) throws -> (code: Int32, text: String, errors: String) {
    let errors = Pipe()
    let shown = Collector(terminal.read)
    let process = try start(arguments, environment: environment, output: terminal.write, errors: errors)
    let said = GatheredOutput(errors)
    try terminal.write.close()
    process.waitUntilExit()
    shown.wait()
    return (process.terminationStatus, shown.text.replacing("\r\n", with: "\n"), said.text())
  }
}
