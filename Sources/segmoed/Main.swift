import ArgumentParser
import Boundary
import CommandLine
import Configuration
import JobStore
import Tensors

@main
enum Main {
  static func main() async {
    StandardStreams.prepare()
    do {
      var command = try Segmoed.parseAsRoot()
      if let warning = try ProductInstructions.checkEnvironment() { complain(warning) }
      if var daemon = command as? any AsyncParsableCommand {
        // Some libraries wait for ever if they cannot start a thread.
        try ProcessRoom.check(threads: 10, bytes: 256 << 20)
        if let warning = ProductInstructions.failureWarning { complain(warning) }
        try await daemon.run()
      } else {
        try command.run()
      }
    } catch {
      Segmoed.end(Segmoed.report(error))
    }
    Segmoed.end(ProgramExit.done.rawValue)
  }
}

extension JobStoreError: ExitCoded {
  /// A daemon cannot work without its queue, whatever is wrong with it. It may work later, after the queue is repaired.
  /// Only a wrong right stays wrong until a person mends it.
  package var exit: ProgramExit {
    if case .notPermitted = self { return .notPermitted }
    return .unavailable
  }

  /// The same for a daemon that starts. What is wrong with the queue's file itself does not pass, however often it is
  /// tried. A daemon that meets a newer schema later is another matter: a restart may bring the newer program.
  var atStart: any Error {
    switch self {
    case .schemaTooNew, .foreignDatabase, .notADatabase, .migrationFailed, .moved: Problem.badInput("\(self)")
    case .notOnServer, .wrongAddress: Problem.usage("\(self)")
    default: self
    }
  }
}

extension YAMLError: ExitCoded {
  package var exit: ProgramExit {
    if case .unreadable = self { return .missing }
    return .badInput
  }
}
