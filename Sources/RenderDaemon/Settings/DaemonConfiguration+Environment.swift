import Boundary
import Configuration
import Foundation
import JobStore
import Logging
import Requests
import WeightCache

extension DaemonConfiguration {
  /// Reads the environment variables: `SEGMOE_DATABASE`, `SEGMOE_OUTPUT`, `SEGMOE_MODELS` and `SEGMOE_INPUTS`
  /// (folders separated by colons), `SEGMOE_MEMORY_BUDGET` and so on. An empty variable counts as not set.
  /// - Throws: `EnvironmentError` for a wrong value.
  package init(environment: [String: String]) throws(EnvironmentError) {
    try self.init(Variables(environment: environment, names: Names()))
  }

  private init(_ variables: Variables) throws(EnvironmentError) {
    database = variables.queue("SEGMOE_DATABASE")
    output = variables.path("SEGMOE_OUTPUT")
    models = try variables.folders("SEGMOE_MODELS")
    inputs = try variables.folders("SEGMOE_INPUTS")
    memoryBudget = try variables.value("SEGMOE_MEMORY_BUDGET", "write a size like 4GiB") { text in
      ByteCount(text: text).flatMap { $0.bytes > 0 ? $0.bytes : nil }
    }
    threads = try variables.int("SEGMOE_THREADS", in: Range.threads)
    jobs = try variables.int("SEGMOE_JOBS", in: Range.jobs)
    worker = try variables.value("SEGMOE_WORKER", "it must have at most 100 bytes") {
      $0.utf8.count <= 100 ? $0 : nil
    }
    modelPatience = try variables.int("SEGMOE_MODEL_PATIENCE", in: Range.modelPatience).map { Double($0) }
    numericsPatience = try variables.int("SEGMOE_NUMERICS_PATIENCE", in: Range.numericsPatience).map {
      Double($0)
    }
    leaseSeconds = try variables.int("SEGMOE_LEASE_SECONDS", in: Range.leaseSeconds).map { Double($0) }
    checkpointSteps = try variables.int("SEGMOE_CHECKPOINT_STEPS", in: Range.checkpointSteps)
    previews = try variables.value("SEGMOE_PREVIEWS", "write true or false") { Bool($0) }
    previewVAE.sd = try variables.value("SEGMOE_PREVIEW_VAE_SD", "name a VAE", Self.previewVAE)
    previewVAE.sdxl = try variables.value("SEGMOE_PREVIEW_VAE_SDXL", "name a VAE", Self.previewVAE)
    coalesce = try variables.int("SEGMOE_COALESCE", in: Range.coalesce)
    let policies = CachePolicy.allCases.map(\.rawValue).joined(separator: ", ")
    cachePolicy = try variables.value("SEGMOE_CACHE_POLICY", "use one of \(policies)") {
      CachePolicy(rawValue: $0)
    }
    limits.side = try variables.int("SEGMOE_LIMITS_SIDE", in: Range.side)
    limits.steps = try variables.int("SEGMOE_LIMITS_STEPS", in: Range.steps)
    limits.count = try variables.int("SEGMOE_LIMITS_COUNT", in: Range.count)
    limits.promptBytes = try variables.int("SEGMOE_LIMITS_PROMPT_BYTES", in: Range.promptBytes)
    limits.loras = try variables.int("SEGMOE_LIMITS_LORAS", in: Range.loras)
    let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
    logLevel = try variables.value("SEGMOE_LOG_LEVEL", "use one of \(levels)") { Logger.Level(rawValue: $0) }
    metrics = variables.path("SEGMOE_METRICS")
    privateFolder = variables.path("SEGMOE_PRIVATE_FOLDER")
    digests = variables.path("SEGMOE_DIGESTS")
    hub = variables.path("SEGMOE_HUB")
    shared = variables.place("SEGMOE_SHARED")
    fetch.owners = try variables.value("SEGMOE_FETCH_OWNERS", "name owners, with commas between") {
      Self.words($0)
    }
    let hosts = SourceLimits.Host.allCases.map(\.rawValue).joined(separator: ", ")
    fetch.hosts = try variables.value("SEGMOE_FETCH_HOSTS", "use \(hosts), with commas between") { text in
      let found = Self.words(text)?.map { SourceLimits.Host(rawValue: $0) }
      return found?.contains(nil) == false ? found?.compactMap(\.self) : nil
    }
    fetch.largest = try variables.value("SEGMOE_FETCH_LARGEST", "write a size like 40GiB") { text in
      ByteCount(text: text).flatMap { $0.bytes > 0 ? $0.bytes : nil }
    }
  }

  private static func previewVAE(_ text: String) -> String? {
    Range.previewVAE.contains(text.utf8.count) ? text : nil
  }

  private static func words(_ text: String) -> [String]? {
    let words = text.split(separator: ",", omittingEmptySubsequences: false).map {
      String(String($0).trimming(while: \.isWhitespace))
    }
    return words.isEmpty || words.contains("") ? nil : words
  }

  /// The names of all variables that are read.
  package static let variables: [String] = {
    let names = Names()
    _ = try? DaemonConfiguration(Variables(environment: [:], names: names))
    return names.read
  }()

  /// The names that were asked for.
  private final class Names {
    var read: [String] = []
  }

  private struct Variables {
    let environment: [String: String]
    let names: Names

    subscript(name: String) -> String? {
      names.read.append(name)
      return environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    func path(_ name: String) -> String? { self[name].map { URL(fileURLWithPath: $0).path } }

    /// A file, or an address as it is.
    func queue(_ name: String) -> String? {
      self[name].map { QueueDatabase.isServer($0) ? $0 : URL(fileURLWithPath: $0).path }
    }

    /// A folder, or an address as it is.
    func place(_ name: String) -> String? {
      self[name].map { $0.contains("://") ? $0 : URL(fileURLWithPath: $0).path }
    }

    func folders(_ name: String) throws(EnvironmentError) -> [String]? {
      try value(name, "name a folder") { text in
        let folders = text.split(separator: ":").map { URL(fileURLWithPath: String($0)).path }
        return folders.isEmpty ? nil : folders
      }
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws(EnvironmentError) -> Int? {
      try value(name, "it must be from \(range.lowerBound) to \(range.upperBound)") { text in
        Int(text).flatMap { range.contains($0) ? $0 : nil }
      }
    }

    func value<Value>(
      _ name: String, _ rule: String, _ read: (String) -> Value?
    ) throws(EnvironmentError) -> Value? {
      guard let text = self[name] else { return nil }
      guard let value = read(text) else { throw EnvironmentError(name: name, value: text, rule: rule) }
      return value
    }
  }
}
