import Foundation
import Images
import JobStore
import Requests
import TestSupport
import Testing

/// What SDXL is told of the framing goes from the queue into the picture, and into what the picture says.
@Suite struct FramingTests {
  @Test func framingReachesSDXLAndThePicturesText() throws {
    let house = try DaemonHouse()
    try house.addModel("xl")
    let changes: [(inout RenderRequest) -> Void] = [
      { _ in }, { $0.originalSize = .init(width: 512, height: 384) }, { $0.crop = .init(x: 0, y: 64) },
      { $0.crop = .init(x: 64, y: 0) }, { $0.targetSize = .init(width: 512, height: 512) },
      // What is the same as nothing: the size rendered, nothing cut.
      {
        $0.originalSize = .init(width: 64, height: 64)
        $0.crop = .init(x: 0, y: 0)
        $0.targetSize = .init(width: 64, height: 64)
      },
    ]
    let ids = try changes.map { change in
      try house.enqueue {
        $0.model = "xl"
        change(&$0)
      }
    }
    // Another family is not told of it.
    let others = [try house.enqueue(), try house.enqueue { $0.crop = .init(x: 64, y: 0) }]
    try house.worker().run()
    let errors = try (ids + others).map { try house.job($0) }.filter { $0.state != .done }.map(
      \.failure?.message)
    try #require(errors.isEmpty, "\(errors)")
    let read = { (id: Int64) in try PNGFile.read("\(house.output)/\(id)/\(id)-0.png") }
    let files = try ids.map(read)
    let pixels = files.map(\.image.pixels)
    #expect(Set(pixels.dropLast()).count == 5 && pixels[5] == pixels[0])
    let texts = files.map { file in file.texts.first { $0.keyword == "segmoe" }?.text ?? "" }
    #expect(!texts[0].contains("crop") && !texts[0].contains("_size"))
    #expect(texts[1].contains(#""original_size":"512x384""#) && texts[2].contains(#""crop":"0,64""#))
    #expect(texts[4].contains(#""target_size":"512x512""#))
    #expect(try read(others[0]).image.pixels == read(others[1]).image.pixels)
  }
}
