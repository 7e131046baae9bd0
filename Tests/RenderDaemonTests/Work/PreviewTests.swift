import Foundation
import Images
import JobStore
import RenderDaemon
import Testing

/// The daemon stores small pictures of what is at work, as long as it is.
@Suite struct PreviewTests {
  /// Long enough for several: the first comes after a second.
  private func enqueue(_ house: DaemonHouse, count: Int = 1, steps: Int = 700) throws -> Int64 {
    try house.enqueue {
      ($0.width, $0.height) = (128, 144)
      $0.steps = steps
      $0.count = count
      $0.seed = 4
    }
  }

  @Test func thereIsOneOfAnImageAtWorkAndNoneOfAJobThatIsOver() throws {
    let house = try DaemonHouse()
    let id = try enqueue(house, count: 50)
    let worker = try house.worker(drain: false)
    let thread = FinishingThread { try worker.run() }
    var seen: [Preview] = []
    func look() throws -> Bool {
      seen = try house.client.previews(jobs: [id])
      return !seen.isEmpty
    }
    try house.wait(look)
    let first = try #require(seen.first)
    // Of the first image, unless this came late.
    #expect((0..<50).contains(first.number) && (1..<700).contains(first.step) && seen.count == 1)
    let picture = try PNGFile.decode(first.png).image
    #expect(picture.width == 16 && picture.height == 18)
    #expect(Set(picture.pixels).count > 10, "one colour: \(picture.pixels.prefix(9))")
    // A newer one takes its place, or the image is done and the next has one.
    try house.wait { try look() && seen[0] != first }
    let second = seen[0]
    #expect(seen.count == 1 && (second.number, second.step) > (first.number, first.step))
    #expect(second.madeAt >= first.madeAt && second.png != first.png)
    _ = try house.client.cancel(job: id)
    try house.wait { try house.job(id).state == .cancelled }
    #expect(try !look())
    worker.requestStop()
    thread.wait()
    #expect(try !look())
  }

  /// With them and without, the file is the same to the byte; without, none is made.
  @Test func thePictureIsTheSame() throws {
    func render(previews: Bool) throws -> (file: Data, previews: Int) {
      let house = try DaemonHouse()
      let id = try enqueue(house)
      try house.worker(previews: previews).run()
      let path = try #require(try house.client.details(job: id).images.first).path
      #expect(try house.client.previews(jobs: [id]).isEmpty)
      return (try Data(contentsOf: URL(fileURLWithPath: path)), try house.number("segmoe_previews_total"))
    }
    let (with, without) = (try render(previews: true), try render(previews: false))
    #expect(with.previews > 0 && without.previews == 0)
    #expect(with.file == without.file)
  }

  /// Pictures that go through the model together have one each.
  @Test func picturesThatGoTogether() throws {
    let house = try DaemonHouse()
    // More than it renders until then; the next two go together, too.
    let id = try enqueue(house, count: 50, steps: 900)
    let worker = try house.worker(drain: false, coalesce: 2)
    let thread = FinishingThread { try worker.run() }
    try house.wait {
      let numbers = try house.client.previews(jobs: [id]).map(\.number)
      return numbers.count == 2 && numbers[1] == numbers[0] + 1
    }
    worker.requestStop()
    thread.wait()
    #expect(try house.job(id).state == .queued && house.client.previews(jobs: [id]).isEmpty)
  }
}
