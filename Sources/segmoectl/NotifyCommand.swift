import CommandLine
import Foundation
import JobStore

/// `--notify`: a command of the person's, which this client runs when its wait is over.
///
/// Its variables begin with `SEGMOECTL_`. Those that begin with `SEGMOE_` are settings of the daemon, which refuses what
/// it does not know; and the command may start one.
struct NotifyCommand {
  /// For `/bin/sh -c`.
  private let text: String
  /// What names the queue to the command.
  private let database: String

  /// - Parameters:
  ///   - text: for `/bin/sh -c`.
  ///   - place: the queue.
  init(_ text: String, on place: QueuePlace) {
    self.text = text
    database = place.nameForPrograms
  }

  /// Waits, and runs the command however the wait ended.
  /// - Throws: what `wait` throws.
  static func after(
    _ scope: WatchScope, of store: any JobQueue, run command: NotifyCommand?, _ wait: () throws -> Void
  ) throws {
    let outcome = Result { try wait() }
    command?.run(after: outcome, scope, store)
    try outcome.get()
  }

  /// Runs it to its end. Whatever becomes of it, the exit code is that of the wait.
  private func run(after outcome: Result<Void, any Error>, _ scope: WatchScope, _ store: any JobQueue) {
    fflush(nil)
    let ending = Ending(scope, store, database: database, exit: Self.code(outcome))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", text]
    process.environment = ProcessInfo.processInfo.environment.merging(ending.variables) { $1 }
    process.standardInput = Self.file(ending.pictures.map { $0 + "\n" }.joined()) ?? FileHandle.nullDevice
    // Standard output may be JSON, and is somebody else's.
    process.standardOutput = FileHandle.standardError
    do {
      try process.run()
    } catch {
      return complain("the command of --notify does not start: \(error.localizedDescription)")
    }
    process.waitUntilExit()
    if process.terminationReason == .uncaughtSignal {
      complain("signal \(process.terminationStatus) ended the command of --notify")
    } else if process.terminationStatus != 0 {
      complain("the command of --notify ended with exit code \(process.terminationStatus)")
    }
  }

  /// The code that this client will end with.
  private static func code(_ outcome: Result<Void, any Error>) -> Int32 {
    guard case .failure(let error) = outcome else { return 0 }
    return Problem(error)?.code ?? Problem.failed("").code
  }

  /// A file without a name that holds a text: unlike a pipe, it waits for no reader. nil if there is no room.
  private static func file(_ text: String) -> FileHandle? {
    var name = Array((NSTemporaryDirectory() + "/segmoectl-XXXXXX").utf8CString)
    let descriptor = mkstemp(&name)
    guard descriptor >= 0 else { return nil }
    unlink(name)
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    guard (try? file.write(contentsOf: Data(text.utf8))) != nil, lseek(descriptor, 0, SEEK_SET) == 0 else {
      return nil
    }
    return file
  }
}

/// How what was waited for has ended.
private struct Ending {
  /// For the command's environment.
  let variables: [String: String]
  /// The paths of the pictures, in order.
  let pictures: [String]

  init(_ scope: WatchScope, _ store: any JobQueue, database: String, exit: Int32) {
    var variables = ["SEGMOE_DATABASE": database, "SEGMOECTL_EXIT": "\(exit)"]
    var batch: BatchRecord?
    if case .batch(let number) = scope { batch = try? store.batch(number) }
    variables["SEGMOECTL_BATCH"] = batch.map { "\($0.id)" } ?? ""
    variables["SEGMOECTL_NAME"] = batch?.name ?? ""
    let jobs = Self.jobs(scope, store)
    let counts = (try? batch?.counts ?? (jobs.map { StateCounts($0.map(\.state)) } ?? store.status().counts))
    for state in [JobState.done, .failed, .cancelled] {
      variables["SEGMOECTL_\(state.rawValue.uppercased())"] = counts.map { "\($0[state])" } ?? ""
    }
    pictures = (jobs ?? []).flatMap { $0.images.compactMap(\.path) }
    variables["SEGMOECTL_PICTURE"] = pictures.first ?? ""
    self.variables = variables
  }

  /// The jobs that were waited for; nil for the whole queue, whose history may be long, and for one that is gone.
  private static func jobs(_ scope: WatchScope, _ store: any JobQueue) -> [JobSummary]? {
    guard scope != .everything else { return nil }
    return try? store.list(scope.filter)
  }
}
