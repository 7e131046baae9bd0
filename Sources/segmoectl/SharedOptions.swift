import ArgumentParser
import CommandLine
import Foundation
import JobStore

/// Where the queue is.
struct Location: ParsableArguments {
  @Option(help: "Path of the queue's database.")
  var database: String?

  /// - Throws: `JobStoreError`
  func open() throws -> QueueClient {
    let environment = ProcessInfo.processInfo.environment
    let path = database ?? QueueDatabase.defaultPath(environment: environment)
    return try QueueClient.open(path: absolutePath(path))
  }
}

/// The option that every command has.
struct Format: ParsableArguments {
  @Flag(help: "Print JSON.")
  var json = false
}
