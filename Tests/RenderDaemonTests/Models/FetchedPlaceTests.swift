import Foundation
import GRDB
import JobStore
import RenderDaemon
import Requests
import Testing

/// Where the daemon looks for what a fetcher has brought.
@Suite struct FetchedPlaceTests {
  /// Makes a job wait for its model, as an enqueue does, and says where it lies, as a fetcher does, or who forges its
  /// row.
  private func bring(_ house: DaemonHouse, _ path: String) throws -> Int64 {
    let job = try house.enqueue { $0.model = "some/model" }
    let fetcher = try FetcherSession.signOn(
      QueueDatabase.open(path: house.client.path, role: .client),
      FetcherRecord(pid: 1, host: "h", version: "1")
    ) { _ in true }
    let source = try #require(try fetcher.claim())
    try fetcher.finish(source, name: "some/model@c1", revision: "c1", path: path, bytes: 1)
    try fetcher.signOff()
    return job
  }

  @Test func aFetchedModelIsRenderedWhereItLies() throws {
    let house = try DaemonHouse()
    let job = try bring(house, house.model)
    try house.worker().run()
    let done = try house.job(job)
    #expect(done.state == .done && done.request.render.model == "some/model@c1", "\(done)")
    // Its name is known. It lies in a folder of models here, so the list has it once, under its name there.
    #expect(try house.client.knownModels().names == ["some/model@c1", "tiny"])
    #expect(try house.client.models().map(\.name) == ["tiny"])
  }

  /// A row that leads out of the folders, be it by a forged path, ends its job and nothing else.
  @Test func aPlaceOutsideTheFoldersIsRefused() throws {
    let house = try DaemonHouse()
    for path in ["/etc", "/etc/passwd", house.models + "/../out"] {
      try house.expectFailure(of: bring(house, path), "some/model@c1", "outside the model folders")
      _ = try house.sqlite().write { try $0.execute(sql: "DELETE FROM sources") }
    }
  }

  /// A fetched model that is gone from the cache: the job fails with its name, and a retry fetches it again, at the
  /// same commit.
  @Test func whatIsGoneIsFetchedAgain() throws {
    let house = try DaemonHouse()
    let job = try bring(house, house.models + "/gone")
    try house.worker().run()
    let failed = try house.job(job)
    #expect(failed.state == .failed && failed.failure?.message.contains("some/model@c1") == true, "\(failed)")
    try house.client.retry(job: job)
    #expect(try house.job(job).isWaitingForSource)
    let fetcher = try FetcherSession.signOn(
      QueueDatabase.open(path: house.client.path, role: .client),
      FetcherRecord(pid: 1, host: "h", version: "1")
    ) { _ in true }
    let source = try #require(try fetcher.claim())
    #expect(source.text == "some/model@c1")
    try fetcher.finish(source, name: "some/model@c1", revision: "c1", path: house.model, bytes: 1)
    try house.worker().run()
    #expect(try house.job(job).state == .done)
  }
}
