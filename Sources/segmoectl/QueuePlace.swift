import CommandLine
import Configuration
import Foundation
import JobStore
import PostgresStore

/// Which queue a command is about, and why that one.
package struct QueuePlace: Equatable {
  /// What named it.
  package enum Source: String, Equatable {
    /// `--database`
    case option
    /// `$SEGMOE_DATABASE`
    case environment
    /// The machine's service, whose queue this user may use.
    case service
    /// Nothing: the person's own.
    case own
  }

  /// Absolute path of the database's file, or a server's address without its password.
  package let path: String
  /// The address of a server, as it was given; nil: the queue is in a file. It may hold a password.
  private let address: String?
  /// What named it.
  package let source: Source
  /// Why the service's queue is not the one; nil: there is no service, or it was not looked for.
  package let refusal: JobStoreError?

  /// The folder of the service's configuration.
  package static let serviceFolder = "/etc/segmoed"
  /// Where the service has its queue unless it is told otherwise.
  package static let serviceQueue = "/var/lib/segmoe/queue.sqlite"

  private init(_ path: String, _ source: Source, refusal: JobStoreError? = nil) {
    address = QueueDatabase.isServer(path) ? path : nil
    self.path =
      address.map { (try? ServerAddress($0))?.description ?? "postgresql://" } ?? absolutePath(path)
    self.source = source
    self.refusal = refusal
  }

  /// Looks where a queue may be named, in order; the first that is counts. Members of the service's group use its queue
  /// without being told of it; whoever may not use it has one of his own.
  /// - Parameters:
  ///   - option: what `--database` says.
  ///   - environment: the environment variables.
  ///   - serviceFolder: where the service's configuration is.
  package static func find(
    option: String?, environment: [String: String], serviceFolder: String = Self.serviceFolder
  ) -> QueuePlace {
    if let option { return QueuePlace(option, .option) }
    if let variable = environment["SEGMOE_DATABASE"], !variable.isEmpty {
      return QueuePlace(variable, .environment)
    }
    let own = QueueDatabase.defaultPath(environment: environment)
    guard let service = servicePath(serviceFolder) else { return QueuePlace(own, .own) }
    if absolutePath(own) == service || QueueDatabase.isServer(service) {
      return QueuePlace(service, .service)
    }
    let refusal = refusal(to: service)
    return refusal == nil ? QueuePlace(service, .service) : QueuePlace(own, .own, refusal: refusal)
  }

  /// The queue in the service's configuration; nil if no service is installed, or its configuration is wrong or not for
  /// this user.
  package static func servicePath(_ folder: String = Self.serviceFolder) -> String? {
    serviceSetting("database", folder, otherwise: serviceQueue)
  }

  /// Where the daemons on this queue put pictures, unless their options say otherwise: as `SEGMOE_OUTPUT` or the service's
  /// configuration says, or `images` beside the queue, or beside the person's own if it is on a server.
  package func output(environment: [String: String], serviceFolder: String = Self.serviceFolder) -> String {
    if source == .service {
      let usual = URL(fileURLWithPath: Self.serviceQueue).deletingLastPathComponent().path + "/pictures"
      return Self.serviceSetting("output", serviceFolder, otherwise: usual) ?? usual
    }
    if let variable = environment["SEGMOE_OUTPUT"], !variable.isEmpty { return absolutePath(variable) }
    // The variable that names the queue names no place of a server.
    let own = QueueDatabase.defaultPath(environment: environment.filter { $0.key != "SEGMOE_DATABASE" })
    let file = isFile ? path : own
    return URL(fileURLWithPath: file).deletingLastPathComponent().path + "/images"
  }

  /// Where the service's machines share files; nil: nowhere, or the queue is not the service's.
  var serviceShared: String? {
    guard source == .service else { return nil }
    let found = Self.serviceSetting("shared", Self.serviceFolder, otherwise: "")
    return found.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// A path in the service's configuration, or an address.
  private static func serviceSetting(_ key: String, _ folder: String, otherwise usual: String) -> String? {
    let file = folder + "/config.yaml"
    guard access(folder, F_OK) == 0 else { return nil }
    guard access(file, F_OK) == 0 else { return usual }
    let document: YAMLDocument
    do throws(YAMLError) {
      document = try YAMLDocument(reading: file)
    } catch {
      // All keys may be left out.
      if case .empty = error { return usual }
      return nil
    }
    guard case .mapping(let entries) = document.root.content else { return nil }
    guard let named = entries.first(where: { $0.key == key })?.value else { return usual }
    guard let path = try? named.string("'\(key)'"), !path.isEmpty else { return nil }
    if path.contains("://") { return path }
    return URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: folder, isDirectory: true)).path
  }

  /// Why this user cannot use the service's queue.
  private static func refusal(to path: String) -> JobStoreError? {
    if let refusal = QueueRights(of: path).refusal { return refusal }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    // Not there yet: whoever enqueues makes it, if there is a folder for it.
    guard access(path, F_OK) == 0 || access(folder, W_OK | X_OK) == 0 else { return .noQueue(path: path) }
    return nil
  }

  /// What names it to a program that this user starts: the path, or the address with all that it holds, which is never
  /// shown.
  var nameForPrograms: String { address ?? path }

  /// Whether the queue is in a file, and not on a server.
  package var isFile: Bool { address == nil }

  /// Opens the queue, wherever it is.
  /// - Throws: `JobStoreError`
  func open(for purpose: QueueDatabase.Purpose) throws -> any JobQueue {
    guard let address else { return try QueueClient.open(path: path, for: purpose) }
    return PostgresClient(
      try PostgresDatabase.open(ServerAddress(address), role: .client, for: purpose))
  }

  /// For a person: whose it is.
  package var meaning: String {
    switch source {
    case .option: "named by --database"
    case .environment: "named by $SEGMOE_DATABASE"
    case .service: "the service's"
    case .own: "your own"
    }
  }
}
