import Foundation
import Images
import JobStore
import RenderDaemon
import TestSupport
import Testing

/// Jobs that start from a picture, through the queue.
@Suite struct SourcePictureJobTests {
  @Test func rendersFromAPictureAndAMask() throws {
    let house = try DaemonHouse()
    let plain = try house.enqueue { $0.model = "tiny" }
    let started = try house.enqueue {
      $0.model = "tiny"
      $0.initImage = Places.golden("images/picture.png")
      $0.strength = 0.7
    }
    let painted = try house.enqueue {
      $0.model = "tiny"
      $0.initImage = Places.golden("images/picture.png")
      $0.mask = Places.golden("images/mask.png")
      $0.strength = 0.7
    }
    try house.worker().run()
    let files = try [plain, started, painted].map { id in
      let details = try house.client.details(job: id)
      #expect(details.job.state == .done, "\(details.job.failure?.message ?? "")")
      return try PNGFile.read(try #require(details.images.first).path)
    }
    #expect(files[0].image != files[1].image && files[1].image != files[2].image)
    let texts = files.map { $0.texts.map(\.text).joined(separator: "\n") }
    #expect(!texts[0].contains("Denoising strength"))
    #expect(texts[1].contains("Denoising strength: 0.7") && texts[1].contains("\"init_image\":\""))
    #expect(texts[2].contains("\"mask\":\"") && !texts[1].contains("\"mask\":\""))
  }

  /// A picture that is missing, broken or elsewhere ends the job at once, with the file's name.
  @Test func badPicturesAreBadInput() throws {
    let house = try DaemonHouse()
    let inputs = house.folder + "/inputs"
    try FileManager.default.createDirectory(atPath: inputs, withIntermediateDirectories: true)
    try Data("no picture".utf8).write(to: URL(fileURLWithPath: inputs + "/broken.png"))
    try FileManager.default.createSymbolicLink(
      atPath: inputs + "/link.png", withDestinationPath: Places.golden("images/picture.png"))
    let expected = [
      (inputs + "/missing.png", "is not there"), (inputs + "/broken.png", "not a readable PNG"),
      (inputs + "/link.png", "outside the input folders"),
      (Places.golden("images/picture.png"), "outside the input folders"),
    ]
    let jobs = try expected.map { path, _ in
      try house.enqueue("p", attempts: 3) {
        $0.model = "tiny"
        $0.initImage = path
        $0.strength = 0.5
      }
    }
    try house.worker(inputs: [inputs]).run()
    for (id, (path, reason)) in zip(jobs, expected) {
      let job = try house.job(id)
      #expect(job.state == .failed && job.failure?.kind == .badInput && job.attempts == 1)
      #expect(
        job.failure?.message.contains(reason) == true && job.failure?.message.contains(path) == true,
        "\(job.failure?.message ?? "")")
    }
  }
}
