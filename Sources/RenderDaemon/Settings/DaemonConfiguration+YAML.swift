import Configuration
import Foundation
import JobStore
import Logging
import Requests
import WeightCache

extension DaemonConfiguration {
  /// Reads a configuration file. Relative paths in it are relative to its folder.
  /// - Throws: `YAMLError`, with line and column.
  package init(reading path: String) throws(YAMLError) {
    let document: YAMLDocument
    do throws(YAMLError) {
      document = try YAMLDocument(reading: path)
    } catch {
      // All keys are optional, so a file in which everything is commented out is fine.
      guard case .empty = error else { throw error }
      self.init()
      return
    }
    try self.init(document, folder: URL(fileURLWithPath: path).deletingLastPathComponent().path)
  }

  /// Reads the standard file; empty if there is none. A file that exists but cannot be read is an error, because the
  /// daemon would otherwise run without the limits in it.
  /// - Parameters:
  ///   - path: the file's path.
  ///   - wasThere: whether it was read before. Then its absence is an error too, because an editor may be writing it.
  /// - Throws: `YAMLError`, with line and column.
  package init(standardAt path: String = Self.standardFile, wasThere: Bool = false) throws(YAMLError) {
    var status = stat()
    let isAbsent = stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)
    if isAbsent && !wasThere { self.init() } else { try self.init(reading: path) }
  }

  /// - Parameters:
  ///   - document: the parsed file.
  ///   - folder: relative paths in the file start here.
  /// - Throws: `YAMLError`, with line and column.
  package init(_ document: YAMLDocument, folder: String) throws(YAMLError) {
    let map = try document.root.mapping(
      "the configuration",
      keys: [
        "database", "output", "models", "inputs", "memory_budget", "threads", "jobs", "worker",
        "lease_seconds", "model_patience", "numerics_patience", "private_folder", "digests",
        "checkpoint_steps", "previews", "preview_vae", "coalesce", "cache_policy", "limits", "log_level",
        "metrics", "hub", "fetch", "shared",
      ])
    database = try map["database"]?.queue("'database'", in: folder)
    output = try map["output"]?.path("'output'", in: folder)
    metrics = try map["metrics"]?.path("'metrics'", in: folder)
    privateFolder = try map["private_folder"]?.path("'private_folder'", in: folder)
    digests = try map["digests"]?.path("'digests'", in: folder)
    hub = try map["hub"]?.path("'hub'", in: folder)
    shared = try map["shared"]?.sharedPlace("'shared'", in: folder)
    models = try Self.folders(map, "models", in: folder)
    inputs = try Self.folders(map, "inputs", in: folder)
    memoryBudget = try map["memory_budget"]?.byteCount("'memory_budget'")
    threads = try map.int("threads", in: Range.threads)
    jobs = try map.int("jobs", in: Range.jobs)
    worker = try map["worker"]?.name("'worker'")
    modelPatience = try map.double(
      "model_patience",
      in: Double(Range.modelPatience.lowerBound)...Double(Range.modelPatience.upperBound))
    numericsPatience = try map.double(
      "numerics_patience",
      in: Double(Range.numericsPatience.lowerBound)...Double(Range.numericsPatience.upperBound))
    leaseSeconds = try map.double(
      "lease_seconds", in: Double(Range.leaseSeconds.lowerBound)...Double(Range.leaseSeconds.upperBound))
    checkpointSteps = try map.int("checkpoint_steps", in: Range.checkpointSteps)
    previews = try map.bool("previews")
    if let node = map["preview_vae"] {
      let map = try node.mapping("'preview_vae'", keys: ["sd", "sdxl"])
      previewVAE.sd = try map["sd"]?.name("'sd'", limit: Range.previewVAE.upperBound)
      previewVAE.sdxl = try map["sdxl"]?.name("'sdxl'", limit: Range.previewVAE.upperBound)
    }
    coalesce = try map.int("coalesce", in: Range.coalesce)
    cachePolicy = try map.choice("cache_policy", of: CachePolicy.self)
    logLevel = try map.choice("log_level", of: Logger.Level.self)
    if let node = map["limits"] {
      let map = try node.mapping("'limits'", keys: ["side", "steps", "count", "prompt_bytes", "loras"])
      limits.side = try map.int("side", in: Range.side)
      limits.steps = try map.int("steps", in: Range.steps)
      limits.count = try map.int("count", in: Range.count)
      limits.promptBytes = try map.int("prompt_bytes", in: Range.promptBytes)
      limits.loras = try map.int("loras", in: Range.loras)
    }
    if let node = map["fetch"] {
      let map = try node.mapping("'fetch'", keys: ["owners", "hosts", "largest"])
      fetch.owners = try Self.items(map, "owners", "name an owner") { node throws(YAMLError) in
        try node.name("an owner of 'owners'")
      }
      fetch.hosts = try Self.items(map, "hosts", "name a site") { node throws(YAMLError) in
        try node.choice("a site of 'hosts'", of: SourceLimits.Host.self)
      }
      fetch.largest = try map["largest"]?.byteCount("'largest'")
    }
  }
}

extension DaemonConfiguration {
  /// A list without folders is an error. It may come from lines that are commented out. It would mean that nothing is
  /// allowed, but without the key everything is.
  private static func folders(
    _ map: YAMLMapping, _ key: String, in folder: String
  ) throws(YAMLError) -> [String]? {
    try items(map, key, "name a folder, if need be an empty one") { node throws(YAMLError) in
      try node.path("a folder of '\(key)'", in: folder)
    }
  }

  /// The items of a list that has some; nil without the key.
  private static func items<Item>(
    _ map: YAMLMapping, _ key: String, _ rule: String, _ read: (YAMLNode) throws(YAMLError) -> Item
  ) throws(YAMLError) -> [Item]? {
    guard map.has(key) else { return nil }
    let nodes = try map.sequence(key)
    guard !nodes.isEmpty else {
      throw .outOfRange(
        map[key]?.position ?? map.position(of: key), subject: "'\(key)'", value: "empty", rule: rule)
    }
    return try nodes.map(read)
  }
}

extension YAMLNode {
  /// A file, or an address as it is.
  fileprivate func queue(_ subject: String, in folder: String) throws(YAMLError) -> String {
    let text = try string(subject)
    return QueueDatabase.isServer(text) ? text : try path(subject, in: folder)
  }

  /// A folder, or an address as it is.
  fileprivate func sharedPlace(_ subject: String, in folder: String) throws(YAMLError) -> String {
    let text = try string(subject)
    return text.contains("://") ? text : try path(subject, in: folder)
  }

  fileprivate func path(_ subject: String, in folder: String) throws(YAMLError) -> String {
    let text = try string(subject)
    guard !text.isEmpty, !text.hasPrefix("~"), !text.utf8.contains(0) else {
      throw .outOfRange(
        position, subject: subject, value: "'\(text)'", rule: "write a path, without '~' for a home folder")
    }
    return URL(fileURLWithPath: text, relativeTo: URL(fileURLWithPath: folder, isDirectory: true)).path
  }

  /// `4GiB`, or a plain number of bytes.
  fileprivate func byteCount(_ subject: String) throws(YAMLError) -> Int {
    if case .scalar(let scalar) = content {
      if let count = ByteCount(text: scalar.text), count.bytes > 0 { return count.bytes }
      throw .outOfRange(position, subject: subject, value: scalar.found, rule: "write a size like 4GiB")
    }
    throw .wrongType(position, subject: subject, expected: "a size like 4GiB", found: found)
  }

  fileprivate func name(_ subject: String, limit: Int = 100) throws(YAMLError) -> String {
    let text = try string(subject)
    guard (1...limit).contains(text.utf8.count) else {
      throw .outOfRange(
        position, subject: subject, value: "'\(text)'", rule: "it must have 1 to \(limit) bytes")
    }
    return text
  }
}
