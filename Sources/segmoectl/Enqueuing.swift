import Boundary
import CommandLine
import Foundation
import JobStore
import Requests

/// Puts prompts into the queue, and says what a person should know of it.
struct Enqueuing {
  let location: Location
  let isJSON: Bool
  /// Whether the command waits for the pictures.
  let waits: Bool
  /// The queue that is here already; nil: there is none.
  let before: (any JobQueue)?
  /// The models that it knows.
  let known: KnownModels

  /// - Throws: `JobStoreError` if there is a queue that cannot be read.
  init(location: Location, isJSON: Bool, waits: Bool) throws {
    self.location = location
    self.isJSON = isJSON
    self.waits = waits
    do {
      before = try location.open(for: .reading)
    } catch JobStoreError.noQueue {
      before = nil
    }
    known = try before?.knownModels() ?? KnownModels()
  }

  /// Enqueues all prompts of a source, or on any error none.
  /// - Throws: `Problem`, `RequestError`, `JobStoreError`
  func put(
    _ source: inout PromptSource, as batch: BatchRequest
  ) throws -> EnqueuedBatch {
    let store = try location.open(for: .creating)
    let enqueued: EnqueuedBatch
    do {
      enqueued = try store.enqueue(batch) { try source.next() }
    } catch JobStoreError.emptyBatch {
      throw source.emptyProblem
    }
    try announce(enqueued, store)
    // A daemon's own model that is named like a card is not fetched.
    let own = known.names
    try FetcherHint.announce(
      store.waits(batch: enqueued.batch, limit: 16).filter { !own.contains($0.source) }, store,
      hasDroppedToken: source.hasDroppedToken, isJSON: isJSON)
    for notice in source.notices { complain(notice) }
    try warn(store)
    return enqueued
  }

  /// Shows what would be queued.
  /// - Parameters:
  ///   - source: all prompts.
  ///   - batch: that it would wait for.
  /// - Throws: `Problem`, `RequestError`, `JobStoreError`
  func preview(_ source: inout PromptSource, after batch: BatchReference? = nil) throws {
    if let batch {
      guard let before else { throw JobStoreError.notFound(thing: "batch", id: batch.text) }
      _ = try batch.number(in: before)
    }
    var preview = EnqueuePreview(pace: try before?.pace() ?? RenderPace())
    while let request = try source.next() { preview.add(request, text: source.texts) }
    guard preview.jobs > 0 else { throw source.emptyProblem }
    preview.templates = source.templates
    print(isJSON ? preview.json.text : preview.text)
    for notice in source.notices { complain(notice) }
  }

  /// What a person should know who expects pictures from this queue.
  private func warn(_ store: any JobQueue) throws {
    let place = location.place
    if before == nil { complain("started a new queue, \(place.path) (\(place.meaning))") }
    if place.isFile {
      for flaw in QueueRights(of: place.path).flaws {
        complain("\(flaw.path) stops the service or its members: \(flaw.fault); \(flaw.mend)")
      }
    }
    // Who waits is told after a moment.
    guard !waits, try store.livingWorkers().isEmpty else { return }
    guard place.isFile else {
      return complain(
        "no segmoed works on \(place.path) at the moment; the jobs wait: start one with this address")
    }
    let start = place.source == .service ? "sudo systemctl start segmoed" : "segmoed --database \(place.path)"
    complain("no segmoed works on \(place.path) at the moment; the jobs wait: `\(start)` starts one")
  }

  private func announce(_ batch: EnqueuedBatch, _ store: any JobQueue) throws {
    if isJSON {
      let jobs = batch.jobs.map { JSONText.integer($0) }
      print(JSONText.object([("batch", .integer(batch.batch)), ("jobs", .array(jobs))]).text)
    } else {
      let (first, last) = (batch.jobs.lowerBound, batch.jobs.upperBound)
      let jobs = first == last ? "job \(first)" : "jobs \(first) to \(last)"
      let order = try store.batch(batch.batch).waitsFor.map { "; waiting for \($0)" } ?? ""
      print(
        PlainText.line(
          "batch \(batch.batch): \(jobs) queued\(batch.isNew ? "" : " before, with this key")\(order)"))
    }
    // The batch's number must be visible before a long wait, through a pipe too.
    fflush(nil)
  }
}

extension [RequestDraft] {
  /// Checks what the command line says of all requests, so that a wrong option is reported as wrong usage and not as a
  /// fault in the first line of a file.
  /// - Parameters:
  ///   - known: the models that the queue knows.
  ///   - place: of the queue. Nothing is put anywhere yet.
  /// - Throws: `RequestError`, `Problem`
  func check(_ known: KnownModels, for place: QueuePlace) throws {
    var paths = PathResolver(names: known.names, share: place.isFile ? nil : { _, path, _ in path })
    for draft in self where draft.given.contains("model") {
      var request = draft.complete
      try request.validate()
      try paths.resolve(&request)
      try known.check(request.model)
    }
  }
}
