import ArgumentParser
import CommandLine
import Foundation
import Images
import JobStore

/// `segmoectl watch`
struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Watch jobs until all are over.",
    discussion: """
      Without arguments these are the jobs that are not over, and those that come. On a terminal it shows progress \
      bars with the time left, by what jobs of the same models and sizes took. Elsewhere (a pipe, a log, TERM=dumb) it \
      prints a line for each event. The exit code is 0 when all jobs are over, even if some failed. --preview shows below \
      each bar what its picture looks like so far, if the daemon makes previews; it needs a terminal.

      --notify runs a command at the end, with these variables, and the pictures' paths on its standard input: \
      SEGMOECTL_BATCH, SEGMOECTL_NAME, SEGMOECTL_DONE, SEGMOECTL_FAILED, SEGMOECTL_CANCELLED, SEGMOECTL_PICTURE (the first \
      path), SEGMOECTL_EXIT (the exit code that follows). What it prints goes to standard error.
      """)

  @OptionGroup var location: Location

  @Argument(help: "Only these jobs.")
  var jobs: [Int64] = []

  @Option(help: ArgumentHelp("Only this batch: its number or name.", valueName: "batch"))
  var batch: BatchReference?

  @Flag(help: "Show what the pictures look like so far.")
  var preview = false

  @Option(
    name: .customLong("protocol"),
    help: ArgumentHelp(
      "How --preview shows pictures: \(TerminalProtocol.allCases.map(\.rawValue).joined(separator: ", ")) (default: blocks).",
      valueName: "name"))
  var way: TerminalProtocol?

  @Option(help: ArgumentHelp("Run this by /bin/sh when the wait ends.", valueName: "command"))
  var notify: String?

  @OptionGroup var format: Format

  func validate() throws {
    if way != nil && !preview { throw ValidationError("--protocol is for --preview.") }
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
    let style = format.json ? WatchStyle.json : .suitable()
    guard !preview || style == .bars else {
      throw Problem.usage(
        "--preview shows pictures on a terminal: leave it out \(format.json ? "with --json" : "here")")
    }
    // A cursor moves over half blocks as over any text, in every terminal.
    let environment = ProcessInfo.processInfo.environment
    let ability = TerminalAbility(environment: environment, forced: way ?? .blocks)
    let command = notify.map { NotifyCommand($0, on: location.place) }
    try NotifyCommand.after(scope, of: store, run: command) {
      try WatchLoop(
        store: store, scope: scope, style: style, previews: preview ? WatchPreviews(ability) : nil
      ).run()
    }
  }
}
