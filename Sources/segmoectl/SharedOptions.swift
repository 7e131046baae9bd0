import ArgumentParser
import CommandLine
import Foundation
import JobStore

/// Where the queue is.
struct Location: ParsableArguments {
  @Option(help: "Path of the queue's database.")
  var database: String?

  /// - Throws: `JobStoreError`
  func open() throws -> JobStore {
    let environment = ProcessInfo.processInfo.environment
    let path = database ?? JobStore.defaultPath(environment: environment)
    return try JobStore.open(path: absolutePath(path), role: .client)
  }
}

/// The option that every command has.
struct Format: ParsableArguments {
  @Flag(help: "Print JSON.")
  var json = false
}
