import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore
import Requests
import SharedFiles

/// Where machines share files, for a queue that many use. A queue in a file is of one machine, and what is local stays
/// local.
struct SharedOption: ParsableArguments {
  @Option(
    name: .customLong("shared"),
    help: ArgumentHelp(
      "For a queue of PostgreSQL: the place for files that only this machine has, a folder or s3://BUCKET/PREFIX (default: $SEGMOE_SHARED, or as the service is configured).",
      valueName: "dir|address"))
  var shared: String?

  /// The place of a queue; nil: there is none.
  /// - Throws: `Problem`, `SharedError.address`, `.credentials`
  func place(of queue: QueuePlace) throws -> SharedPlace? {
    guard !queue.isFile else {
      guard shared == nil else {
        throw Problem.usage(
          "--shared is for a queue of PostgreSQL: \(queue.path) is a file, whose daemons read your files")
      }
      return nil
    }
    return try Self.place(of: queue, named: shared)
  }

  /// The place of a queue on a server; nil: there is none.
  /// - Parameters:
  ///   - queue: that machines share.
  ///   - name: the place's; nil: as the environment or the service says.
  /// - Throws: `Problem`, `SharedError.address`, `.credentials`
  static func place(of queue: QueuePlace, named name: String? = nil) throws -> SharedPlace? {
    guard !queue.isFile else { return nil }
    let environment = ProcessInfo.processInfo.environment
    let variable = environment["SEGMOE_SHARED"].flatMap { $0.isEmpty ? nil : $0 }
    guard let text = name ?? variable ?? queue.serviceShared else { return nil }
    guard let cache = SharedPlace.cacheFolder(environment) else {
      throw Problem.usage("there is no home folder for what comes from the shared place: set SEGMOE_CACHE")
    }
    let address = try SharedAddress(text.contains("://") ? text : absolutePath(text))
    return try SharedPlace(address, cache: cache, environment: environment)
  }

  /// What becomes of the files that requests name by paths; nil: they stay paths.
  /// - Parameters:
  ///   - queue: that the requests are for.
  ///   - isLook: whether nothing is to be put anywhere.
  ///   - kept: paths that stay as they are, because a row or a picture names them and not the person: what lies there
  ///     on this machine may be anything.
  /// - Throws: `Problem`, `SharedError.address`, `.credentials`
  func share(
    for queue: QueuePlace, isLook: Bool = false, keeping kept: Set<String> = []
  ) throws -> PathResolver.Share? {
    let place = try place(of: queue)
    guard !queue.isFile else { return nil }
    return { setting, path, isPicture in
      if kept.contains(path) { return path }
      guard let place else {
        throw Problem.usage(
          "\(setting) \(path) is on this machine, and others render from \(queue.path): name a place that "
            + "they share with --shared (docs/shared-place.md)"
            + (isPicture ? "" : ", or give the name that it has below their model folders"))
      }
      return isLook ? path : try place.put(path, companions: !isPicture).description
    }
  }
}
