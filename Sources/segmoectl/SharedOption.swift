import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore
import Requests
import SharedFiles
import Synchronization

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
    return try place(otherwise: queue.serviceShared)
  }

  /// The place, whatever queue there is; nil: there is none.
  /// - Parameter usual: the place if nothing else names one.
  /// - Throws: `Problem`, `SharedError.address`, `.credentials`
  func place(otherwise usual: String?) throws -> SharedPlace? {
    let environment = ProcessInfo.processInfo.environment
    let variable = environment["SEGMOE_SHARED"].flatMap { $0.isEmpty ? nil : $0 }
    guard let text = shared ?? variable ?? usual else { return nil }
    guard let cache = SharedPlace.cacheFolder(environment) else {
      throw Problem.usage("there is no home folder for what comes from the shared place: set SEGMOE_CACHE")
    }
    let address = try SharedAddress(text.contains("://") ? text : absolutePath(text))
    return try SharedPlace(address, cache: cache, environment: environment)
  }

  /// Where a queue's finished pictures lie on this machine.
  /// - Throws: `Problem`, `SharedError.address`, `.credentials`
  func pictures(of queue: QueuePlace) throws -> SharedPictures {
    SharedPictures(isLocal: queue.isFile, place: try place(of: queue))
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
      let alias = SharedAlias(path)
      guard let place else {
        if let alias {
          throw Problem.usage("\(setting) \(alias) is a name in a shared place: name the place with --shared")
        }
        throw Problem.usage(
          "\(setting) \(path) is on this machine, and others render from \(queue.path): name a place that "
            + "they share with --shared (docs/shared-place.md)"
            + (isPicture ? "" : ", or give the name that it has below their model folders"))
      }
      if let alias { return try place.target(of: alias).description }
      return isLook ? path : try Self.put(path, companions: !isPicture, into: place).description
    }
  }

  /// Puts a file or a folder into a place. A signal ends the program only after what is half there has been given up; a
  /// second one ends it at once.
  /// - Parameters:
  ///   - path: its absolute path.
  ///   - companions: as `SharedPlace` has it.
  ///   - place: gets it.
  /// - Throws: `SharedError`
  static func put(
    _ path: String, companions: Bool, into place: SharedPlace
  ) throws -> SharedName {
    let heard = Mutex<Int32?>(nil)
    let listener = SignalListener { number in
      let isFirst = heard.withLock { first in
        defer { first = number }
        return first == nil
      }
      guard isFirst else { return SignalListener.end(by: number) }
      place.interrupt()
    }
    defer { withExtendedLifetime(listener) {} }
    do {
      return try place.put(path, companions: companions)
    } catch SharedError.stopped {
      if let number = heard.withLock({ $0 }) { SignalListener.end(by: number) }
      throw SharedError.stopped
    }
  }
}
