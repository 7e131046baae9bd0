import ArgumentParser
import Foundation
import JobStore

/// `segmoectl watch`
struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Watch jobs until all are over.",
    discussion: """
      On a terminal it shows progress bars with the time left. Elsewhere (a pipe, a log, TERM=dumb) it prints a \
      line for each event. The exit code is 0 when all jobs are over, even if some failed.

      --notify runs a command at the end, with these variables, and the pictures' paths on its standard input: \
      SEGMOECTL_BATCH, SEGMOECTL_NAME, SEGMOECTL_DONE, SEGMOECTL_FAILED, SEGMOECTL_CANCELLED, SEGMOECTL_PICTURE (the first \
      path), SEGMOECTL_EXIT (the exit code that follows). What it prints goes to standard error.
      """)

  @OptionGroup var location: Location

  @Argument(help: "Only these jobs.")
  var jobs: [Int64] = []

  @Option(help: ArgumentHelp("Only this batch: its number or name.", valueName: "batch"))
  var batch: BatchReference?

  @Option(help: ArgumentHelp("Run this by /bin/sh when the wait ends.", valueName: "command"))
  var notify: String?

  @OptionGroup var format: Format

  func validate() throws {
    if batch != nil && !jobs.isEmpty { throw ValidationError("Name jobs or a batch, not both.") }
  }

  func run() throws {
    let store = try location.open(for: .reading)
    let scope: WatchScope
    if let batch {
      scope = .batch(try batch.number(in: store))
    } else {
      scope = jobs.isEmpty ? .everything : .jobs(jobs)
    }
    try NotifyCommand.after(scope, of: store, run: notify) {
      try WatchLoop(store: store, scope: scope, style: format.json ? .json : .suitable()).run()
    }
  }
}
