import Foundation
import JobStore
import RenderDaemon
import TestSupport
import Testing

/// VAEs that jobs name in place of their models' own.
@Suite struct AutoencoderTests {
  @Test func aJobsVAEIsUsedAndOthersAreNotTouched() throws {
    let house = try DaemonHouse()
    try FileManager.default.copyItem(atPath: Places.golden("vae/tiny"), toPath: house.models + "/taesd")
    let ids = [
      try house.enqueue(), try house.enqueue { $0.vae = "taesd" },
      try house.enqueue { $0.vae = house.models + "/taesd" }, try house.enqueue(),
    ]
    try house.worker().run()
    let jobs = try ids.map(house.job)
    #expect(jobs.allSatisfy { $0.state == .done }, "\(jobs.map(\.failure?.message))")
    let digests = jobs.map(\.completion?.modelDigest)
    #expect(digests[0] == digests[3] && digests[1] == digests[2] && digests[0] != digests[1])
    let pictures = try ids.map { id in
      let path = try #require(try house.client.details(job: id).images.first?.path)
      return try Data(contentsOf: URL(fileURLWithPath: path))
    }
    #expect(pictures[0].count != pictures[1].count)
  }

  @Test func aPickledVAEFailsAsAModelFault() throws {
    let house = try DaemonHouse()
    try Data("PK".utf8).write(to: URL(fileURLWithPath: house.models + "/old.ckpt"))
    let vae = try house.enqueue { $0.vae = "old.ckpt" }
    try house.expectFailure(of: vae, "old.ckpt", "pickled", "convert")
    let model = try house.enqueue { $0.model = "old.ckpt" }
    try house.expectFailure(of: model, "old.ckpt", "pickled")
  }
}
