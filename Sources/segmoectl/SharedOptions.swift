import ArgumentParser
import CommandLine
import Foundation
import JobStore

/// Where the queue is.
struct Location: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The queue's database: a file, or postgresql://… (default: $SEGMOE_DATABASE, the service's if you may use it, or your own).",
      valueName: "file|address"))
  var database: String?

  /// Which queue that is.
  var place: QueuePlace {
    QueuePlace.find(option: database, environment: ProcessInfo.processInfo.environment)
  }

  /// Opens the queue, wherever it is.
  /// - Throws: `JobStoreError`
  func open(for purpose: QueueDatabase.Purpose) throws -> any JobQueue {
    try place.open(for: purpose)
  }
}

/// The option that every command has.
struct Format: ParsableArguments {
  @Flag(help: "Print JSON.")
  var json = false
}

/// A batch by its number or its name.
struct BatchReference: ExpressibleByArgument {
  /// As it was typed.
  let text: String

  init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    text = argument
  }

  /// - Throws: `JobStoreError.notFound`, `.ambiguous`
  func number(in store: any JobQueue) throws -> Int64 { try store.batchNumber(text) }
}

/// A job, or a batch.
struct Target: ParsableArguments {
  @Argument(help: "The job's number.")
  var id: Int64?

  @Option(help: ArgumentHelp("A whole batch instead: its number or name.", valueName: "batch"))
  var batch: BatchReference?

  func validate() throws {
    if (id == nil) == (batch == nil) {
      throw ValidationError("Name a job, or a batch with --batch.")
    }
  }

  /// - Throws: `JobStoreError.notFound`, `.ambiguous`
  func scope(in store: any JobQueue) throws -> JobScope {
    if let id { return .job(id) }
    guard let batch else { throw Problem.usage("name a job, or a batch with --batch") }
    return .batch(try batch.number(in: store))
  }
}

/// When a job's turn comes.
struct TurnOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Higher goes first (a new job has 0).")
  var priority: Int?

  @Option(
    help: ArgumentHelp(
      "Start no earlier: after 90s, 30m, 8h or 2d, or at 2026-11-23T20:00.", valueName: "time"))
  var runAfter: String?

  /// Before which no job starts; nil: none was given.
  /// - Throws: `Problem` for what is no time.
  func earliest() throws -> Milliseconds? { try runAfter.map(moment(_:)) }
}

/// How a file of prompts is written.
struct PromptFormatOption: ParsableArguments {
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp(
      "How the file is written: \(PromptFormat.allCases.map(\.rawValue).joined(separator: ", ")) (default: its content tells).",
      valueName: "format"))
  var kind = PromptFormat.auto
}
