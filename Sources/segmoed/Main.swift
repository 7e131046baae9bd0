import ArgumentParser
import Boundary
import Configuration
import Foundation
import JobStore
import Release
import RenderDaemon
import Tensors

@main
enum Main {
  static func main() async {
    StandardStreams.prepare()
    do {
      var command = try Segmoed.parseAsRoot()
      if let warning = try EnvironmentError.checkInstructions() { complain(warning) }
      if var daemon = command as? any AsyncParsableCommand {
        // Libraries below wait for ever for a thread that they do not get.
        try ProcessRoom.check(threads: 10, bytes: 256 << 20)
        try await daemon.run()
      } else {
        try command.run()
      }
    } catch {
      ProcessEnd.now(report(error))
    }
    ProcessEnd.now(0)
  }

  /// Prints help where it was asked for, errors as one line; gives the exit code.
  private static func report(_ error: any Error) -> Int32 {
    switch error {
    case let error as JobStoreError:
      complain(error.description)
      return 69
    case let error as YAMLError:
      complain(error.description)
      if case .unreadable = error { return 66 }
      return 65
    case is ThreadError, is MemoryRefusal:
      complain("\(error)")
      return 69
    case let error as EnvironmentError:
      complain(error.description)
      return 64
    default: break
    }
    let code = Segmoed.exitCode(for: error)
    if code.isSuccess {
      print(Segmoed.fullMessage(for: error))
      return 0
    }
    let message = Segmoed.message(for: error).split(separator: "\n").joined(separator: " ")
    complain(message.isEmpty ? "wrong usage; `segmoed --help` shows what there is" : message)
    return code == .validationFailure ? 64 : 70
  }

  private static func complain(_ message: String) {
    StandardStreams.complain("segmoed: \(PlainText.line(message))\n")
  }
}
