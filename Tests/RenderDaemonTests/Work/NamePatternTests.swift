import Foundation
import GRDB
import Images
import JobStore
import Logging
import RenderDaemon
import Requests
import TestSupport
import Testing

/// Pictures that are named by their batch's pattern.
@Suite struct NamePatternTests {
  /// A small job in a batch of its own.
  private func enqueue(
    _ house: DaemonHouse, named pattern: String?, _ prompt: String = "a red fox", batch: String? = nil,
    count: Int = 1
  ) throws -> Int64 {
    var render = RenderRequest(model: "tiny", prompt: prompt)
    (render.width, render.height, render.steps, render.scheduler) = (64, 64, 2, .ddim)
    (render.seed, render.count) = (7, count)
    var request = JobRequest(render)
    request.maxAttempts = 1
    return try house.client.enqueue(BatchRequest(name: batch, namePattern: pattern), requests: [request])
      .jobs.lowerBound
  }

  /// The paths of a job's pictures below the output folder.
  private func names(_ house: DaemonHouse, _ job: Int64) throws -> [String] {
    try house.client.details(job: job).images.map { image in
      try #require(image.path.hasPrefix(house.output + "/"))
      return String(image.path.dropFirst(house.output.utf8.count + 1))
    }
  }

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  @Test func everyFieldHasItsValue() throws {
    let house = try DaemonHouse()
    let id = try enqueue(
      house,
      named:
        "{batch}/{model} {scheduler}/{batch_id}-{job}-{index}-{seed}-{width}x{height}-{steps}-{guidance}-{prompt}.png",
      "A red fox, running!", batch: "two words", count: 2)
    try house.worker().run()
    let found = try names(house, id)
    #expect(
      found == (0..<2).map { "two words/tiny ddim/1-1-\($0)-\(7 + $0)-64x64-2-7.5-a-red-fox-running.png" })
    // No folder by numbers, and nothing temporary.
    #expect(house.files() == found)
    #expect(try FileManager.default.contentsOfDirectory(atPath: house.output) == ["two words"])
    let day = try enqueue(house, named: "{date}")
    try house.worker().run()
    #expect(try #require(try names(house, day).first).wholeMatch(of: /\d{4}-\d\d-\d\d\.png/) != nil)
  }

  /// Two jobs, and two pictures of each, that the pattern names alike; the pictures of numbers, too.
  @Test func noPictureReplacesAnother() throws {
    let house = try DaemonHouse()
    let jobs = [
      try enqueue(house, named: nil), try enqueue(house, named: "1/1-0", count: 2),
      try enqueue(house, named: "1/1-{index}", "b", count: 2),
    ]
    var kept: [String: Data] = [:]
    try house.worker().run()
    for job in jobs {
      for image in try house.client.details(job: job).images { kept[image.path] = try bytes(image.path) }
    }
    #expect(
      try jobs.map { try names(house, $0) } == [
        ["1/1-0.png"], ["1/1-0-2.png", "1/1-0-3.png"], ["1/1-0-4.png", "1/1-1.png"],
      ])
    #expect(house.files().count == 5 && Set(kept.values).count == 5)
    // Anew: beside the ones that are there.
    try house.client.retry(job: jobs[1])
    try house.worker().run()
    #expect(try names(house, jobs[1]) == ["1/1-0-5.png", "1/1-0-6.png"])
    for (path, before) in kept { #expect(try bytes(path) == before) }
  }

  @Test func twoDaemonsDoNotReplaceEachOthersPictures() throws {
    let house = try DaemonHouse()
    let jobs = try (0..<8).map { try enqueue(house, named: "same", "\($0)", count: 2) }
    let daemons = try ["one", "two"].map {
      try RealDaemon(house, worker: $0, metrics: "\(house.folder)/\($0).prom")
    }
    try house.wait { try jobs.allSatisfy { try house.job($0).state == .done } }
    #expect(daemons.map { $0.stop() } == [0, 0])
    let images = try jobs.flatMap { try house.client.details(job: $0).images }
    #expect(Set(images.map(\.path)).count == 16 && Set(images.map(\.digest)).count == 16)
    let numbers = ["same.png"] + (2...16).map { "same-\($0).png" }
    #expect(house.files() == numbers.sorted())
    for (job, id) in jobs.enumerated() {
      for image in try house.client.details(job: id).images {
        let text = try PNGFile.read(image.path).texts.first { $0.keyword == "segmoe" }?.text
        #expect(text?.contains("\"prompt\":\"\(job)\"") == true)
      }
    }
  }

  @Test(arguments: [
    "../up", "/etc/x", "{nothing}", "", "a\u{1B}[2J", String(repeating: "x", count: 100_000), "a/../../b",
  ])
  func aWrongPatternFailsItsJobAlone(pattern: String) throws {
    let house = try DaemonHouse()
    let id = try enqueue(house, named: "{job}")
    try house.sqlite().write {
      try $0.execute(sql: "UPDATE batches SET name_pattern = ? WHERE id = 1", arguments: [pattern])
    }
    let good = try house.enqueue()
    try house.expectFailure(of: id, "name pattern is")
    #expect(try house.client.failures(batch: 1) == [.badInput: 1])
    #expect(try house.job(good).state == .done)
    #expect(house.files() == ["2/2-0.png"])
  }

  @Test func nothingIsWrittenOutsideTheOutputFolder() throws {
    let house = try DaemonHouse()
    let files = FileManager.default
    let outside = house.folder + "/outside"
    for folder in [outside, house.output] {
      try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    try files.createSymbolicLink(atPath: house.output + "/link", withDestinationPath: outside)
    let linked = try enqueue(house, named: "link/deep/{job}")
    let named = try enqueue(house, named: "{batch}/{prompt}-{model}", "../../outside/x")
    try house.sqlite().write { try $0.execute(sql: "UPDATE batches SET name = '../../outside' WHERE id = 2") }
    try house.expectFailure(of: linked, "it is a link to")
    #expect(try names(house, named) == ["-..-outside/outside-x-tiny.png"])
    #expect(try files.contentsOfDirectory(atPath: outside) == [])
  }

  /// Sets a done job back to what a daemon leaves that was killed after its last picture.
  private func reopen(_ house: DaemonHouse, _ job: Int64, as state: JobState) throws {
    try house.sqlite().write {
      try $0.execute(sql: "UPDATE jobs SET state = ? WHERE id = ?", arguments: [state.rawValue, job])
    }
  }

  @Test func finishedPicturesAreNotRenderedAgain() throws {
    let house = try DaemonHouse()
    _ = try enqueue(house, named: "same", "first")
    let id = try enqueue(house, named: "same", count: 2)
    try house.worker().run()
    let before = try house.client.details(job: id).images
    try reopen(house, id, as: .failed)
    try house.client.retry(job: id)
    // One of them is not what its row says any more.
    try Data("other".utf8).write(to: URL(fileURLWithPath: before[1].path))
    try house.worker().run()
    let after = try house.client.details(job: id).images
    #expect(after[0] == before[0])
    #expect(try house.stepsTaken() == 2)
    #expect(after.map { $0.path.dropFirst(house.output.utf8.count) } == ["/same-2.png", "/same-4.png"])
    #expect(try bytes(before[1].path) == Data("other".utf8))
  }

  /// Killed with half a file, before the file has its name, and right after: the next daemon finds the file or makes it,
  /// and nothing temporary is left in the output folder.
  @Test(
    .enabled(if: FaultLibrary.isThere),
    arguments: [
      "write:.png.tmp-:2:half", "sync:.png.tmp-:2:kill", "rename:same:2:kill", "rename:same:2:after",
    ])
  func aKillLosesNothing(rule: String) throws {
    let house = try DaemonHouse()
    let other = try enqueue(house, named: "same", "other")
    let id = try enqueue(house, named: "deep/er/same", count: 2)
    let first = try RealDaemon(house, worker: "first", leaseSeconds: 1, faults: [rule])
    try house.wait { !first.isRunning }
    #expect(first.wasKilled && first.wasStruck, "\(first.account)")
    let second = try RealDaemon(house, worker: "second", leaseSeconds: 1)
    try house.wait { try house.job(id).state == .done && house.job(other).state == .done }
    #expect(second.stop() == 0)
    #expect(try names(house, id) == ["deep/er/same.png", "deep/er/same-2.png"])
    #expect(house.files() == ["deep/er/same-2.png", "deep/er/same.png", "same.png"])
    for image in try house.client.details(job: id).images {
      #expect(try bytes(image.path).count == Int(image.bytes))
    }
  }

  @Test func unwantedPicturesGo() throws {
    let house = try DaemonHouse()
    let other = try enqueue(house, named: "same", "first")
    let id = try enqueue(house, named: "same", count: 2)
    try house.worker().run()
    try reopen(house, id, as: .cancelled)
    _ = try house.client.cancel(job: id, discard: true)
    try house.worker().run()
    #expect(try house.files() == names(house, other))
    #expect(try house.client.checkpoint(job: id, index: 0) == nil)
  }

  /// A row that says of another job's picture that it is this job's: it is neither taken, nor replaced, nor removed.
  @Test(arguments: [true, false]) func anotherJobsPictureIsNotItsOwn(discard: Bool) throws {
    let house = try DaemonHouse()
    let victim = try enqueue(house, named: nil)
    try house.worker().run()
    let picture = try #require(try house.client.details(job: victim).images.first)
    let before = try bytes(picture.path)
    let id = try enqueue(house, named: "1/1-0")
    let mallory = try house.session("mallory")
    let lease = try #require(try mallory.claim()).lease
    let digest = try #require(try house.job(victim).completion?.modelDigest)
    try mallory.announce(picture, step: 2, modelDigest: digest, lease)
    if discard {
      _ = try house.client.cancel(job: id, discard: true)
      try mallory.cancelled(lease)
    } else {
      try mallory.giveBack(lease)
    }
    try house.worker().run()
    #expect(try bytes(picture.path) == before)
    if !discard { #expect(try names(house, id) == ["1/1-0-2.png"]) }
    #expect(try house.client.checkpoint(job: id, index: 0) == nil)
  }

  /// What a dead daemon left goes, and nothing else that is in the output folder.
  @Test func temporaryFilesAreRemoved() throws {
    let house = try DaemonHouse()
    try FileManager.default.createDirectory(atPath: house.output, withIntermediateDirectories: true)
    let others = [".17-0.png", ".notes.png.tmp-1f", "17-0.png.tmp-1f"]
    for name in others + [".17-0.png.tmp-1f"] {
      try Data("x".utf8).write(to: URL(fileURLWithPath: house.output + "/" + name))
    }
    try house.worker().run()
    #expect(house.files() == others.sorted())
  }
}
