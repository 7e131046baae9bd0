import ArgumentParser
import CommandLine
import Foundation
import JobStore

/// Where the queue is.
struct Location: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The queue's database (default: $SEGMOE_DATABASE, the service's if you may use it, or your own).",
      valueName: "file"))
  var database: String?

  /// Which queue that is.
  var place: QueuePlace {
    QueuePlace.find(option: database, environment: ProcessInfo.processInfo.environment)
  }

  /// - Throws: `JobStoreError`
  func open(for purpose: QueueDatabase.Purpose) throws -> QueueClient {
    try QueueClient.open(path: place.path, for: purpose)
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
  func number(in store: QueueClient) throws -> Int64 { try store.batchNumber(text) }
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
  func scope(in store: QueueClient) throws -> JobScope {
    if let id { return .job(id) }
    guard let batch else { throw Problem.usage("name a job, or a batch with --batch") }
    return .batch(try batch.number(in: store))
  }
}
