import Boundary
import CommandLine
import Foundation
import Images
import JobStore
import SharedFiles

/// Brings outcomes home, and the pictures before them. All that comes may come from anybody.
struct Harvest {
  let folder: ShardFolder
  let batch: ShardedBatch
  let store: any JobQueue
  /// The folder of pictures at home.
  let output: String
  /// Where machines share pictures besides; nil: nowhere.
  let common: SharedPlace?

  /// How many jobs came home done.
  private(set) var done = 0
  private(set) var failed = 0
  /// How many were here before.
  private(set) var known = 0
  /// What was left out, and why.
  private(set) var notices: [String] = []

  init(
    folder: ShardFolder, batch: ShardedBatch, store: any JobQueue, output: String, common: SharedPlace?
  ) {
    self.folder = folder
    self.batch = batch
    self.store = store
    self.output = output
    self.common = common
  }

  /// Takes done jobs from all attempts, then failed ones: what failed on one machine another may have rendered.
  /// - Throws: `JobStoreError`, `ImageError`, `SharedError`, `ShardFolder.NoCopy` if this machine cannot take what comes.
  mutating func run() throws {
    let local = FileManager.default.temporaryDirectory.path + "/segmoe-collect-\(UUID().uuidString)"
    try NewFolder.make(local, mode: 0o700)
    defer { try? FileManager.default.removeItem(atPath: local) }
    var waiting = Set(batch.jobs)
    var failures: [Int64: ShardOutcome] = [:]
    /// Why machines could not render jobs that others may.
    var lacks: [Int64: String] = [:]
    for name in try folder.attempts() where !waiting.isEmpty {
      for outcome in try outcomes(in: name, of: waiting, local) {
        switch outcome.failure {
        case let failure? where failure.kind == .model:
          lacks[outcome.job] = failure.message
          continue
        case .some:
          failures[outcome.job] = outcome
          continue
        case nil: break
        }
        if try take(outcome) { waiting.remove(outcome.job) }
      }
    }
    for (_, outcome) in failures.sorted(by: { $0.key < $1.key }) where waiting.contains(outcome.job) {
      if try take(outcome) { waiting.remove(outcome.job) }
    }
    note(lacks.filter { waiting.contains($0.key) })
  }

  /// The most reasons that are told.
  private static let mostReasons = 5

  /// Notes why jobs are not over that machines without their models have tried.
  private mutating func note(_ lacks: [Int64: String]) {
    let reasons = Dictionary(grouping: lacks.keys) { lacks[$0] ?? "" }.sorted {
      $0.value.count > $1.value.count
    }
    for (reason, jobs) in reasons.prefix(Self.mostReasons) {
      notices.append(
        "\(TerminalText.count(jobs.count, "job")) could not be rendered where tried, and may be elsewhere: \(reason)"
      )
    }
    let more = reasons.dropFirst(Self.mostReasons).map(\.value.count).reduce(0, +)
    if more > 0 {
      notices.append("\(TerminalText.count(more, "job")) more could not, for reasons like these")
    }
  }

  /// What an attempt says of jobs that are not home. One that cannot be right is left out.
  /// - Throws: `ShardFolder.NoCopy`
  private mutating func outcomes(
    in name: String, of jobs: Set<Int64>, _ local: String
  ) throws -> [ShardOutcome] {
    let copy = local + "/attempt.sqlite"
    defer { unlink(copy) }
    do {
      try folder.fetch("\(folder.results)/\(name)", to: copy)
      return try ShardFile(copy).outcomes(of: jobs, batch: batch.batch) { job, reason in
        notices.append("job \(job) in \(name) is left out: \(reason)")
      }
    } catch let fault as ShardFolder.NoCopy {
      throw fault
    } catch {
      let reason = (error as? Problem)?.message ?? "\(error)"
      notices.append("\(name) is left out: \(reason)")
      return []
    }
  }

  /// - Returns: whether the job needs nothing more.
  private mutating func take(_ outcome: ShardOutcome) throws -> Bool {
    var own = outcome
    do {
      // Before anything is written for it.
      guard try store.awaits(outcome, of: batch) else {
        notices.append("job \(own.job) is here by now, or was cancelled; what came of it is left out")
        return true
      }
      for image in own.images { try checkFolder(of: image.path) }
      // All of them, before one is written that belongs to nothing.
      if own.images.count > 1 {
        for image in own.images where bytes(of: image, ofJob: own.job) == nil { return false }
      }
      for index in own.images.indices {
        let image = own.images[index]
        guard let bytes = bytes(of: image, ofJob: own.job) else { return false }
        // As a daemon does, before a row tells of it.
        try common?.put(bytes, digest: image.digest, called: "picture \(image.index) of job \(own.job)")
        own.images[index].path = try bringHome(bytes, as: own.images[index].path)
      }
      switch try store.collect(own, of: batch) {
      case .taken: if own.failure == nil { done += 1 } else { failed += 1 }
      case .known: known += 1
      case .unwanted: notices.append("job \(own.job) was cancelled or rendered here meanwhile")
      }
      return true
    } catch let error as JobStoreError {
      guard case .damagedRow = error else { throw error }
      notices.append("job \(own.job) is left out: \(error)")
      return false
    }
  }

  /// The bytes of a picture; nil if it is missing or not what its row says.
  private mutating func bytes(of image: ImageRecord, ofJob job: Int64) -> [UInt8]? {
    guard let bytes = folder.bytes(of: image) else {
      notices.append(
        "job \(job), image \(image.index): its picture is missing or damaged in \(folder.path)/pictures")
      return nil
    }
    guard Self.isOf(job: job, index: image.index, batch: batch.batch, bytes) else {
      notices.append("job \(job), image \(image.index): the picture does not say that it is of this job")
      return nil
    }
    return bytes
  }

  /// Writes a picture to where this queue's daemons would have put it. If another file has its name, it gets the next.
  /// - Parameter name: its path below the folder of pictures.
  /// - Returns: its path.
  private func bringHome(_ bytes: [UInt8], as name: String) throws -> String {
    let plain = "\(output)/\(name.dropLast(4))"
    try NewFolder.make(URL(fileURLWithPath: plain).deletingLastPathComponent().path)
    for number in 1...10_000 {
      let path = plain + (number == 1 ? "" : "-\(number)") + ".png"
      // An earlier collect was interrupted, or this is a second one.
      if Self.isThere(bytes, at: path) { return path }
      do throws(ImageError) {
        try AtomicFile.write(bytes, to: path, replacing: false)
        return path
      } catch {
        guard case .outputExists = error else { throw error }
        // Another collect was quicker just now.
        if Self.isThere(bytes, at: path) { return path }
      }
    }
    throw Problem.failed("\(plain).png and ten thousand more are there already: move some away")
  }

  /// Checks that no file stands where a picture's folder would: that keeps no other job from coming home.
  /// - Throws: `JobStoreError.damagedRow`
  private func checkFolder(of name: String) throws {
    var folder = output
    for part in name.pathNames.dropLast() {
      folder += "/\(part)"
      var status = stat()
      guard stat(folder, &status) != 0 || status.st_mode & S_IFMT == S_IFDIR else {
        throw JobStoreError.damagedRow(table: "images", column: "path", value: "'\(name)'")
      }
    }
  }

  private static func isThere(_ bytes: [UInt8], at path: String) -> Bool {
    (try? FileBytes.read(path, limit: bytes.count)) == bytes
  }

  /// The numbers in a picture's own text.
  private struct Numbers: Decodable {
    let batch: Int64
    let job: Int64
    let index: Int
  }

  private static func isOf(job: Int64, index: Int, batch: Int64, _ bytes: [UInt8]) -> Bool {
    guard let text = PNGTextScan.text("segmoe", of: bytes),
      let numbers = try? JSONDecoder().decode(Numbers.self, from: Data(text.utf8))
    else { return false }
    return numbers.batch == batch && numbers.job == job && numbers.index == index
  }
}
