import Foundation
import Images
import JobStore
import Requests
import TestSupport
import Testing

/// How prompts are read goes from the queue into the picture, and into what the picture says.
@Suite struct PromptTests {
  @Test func settingsReachThePictureAndItsText() throws {
    let house = try DaemonHouse()
    let word = house.models + "/toy.safetensors"
    try FileManager.default.copyItem(atPath: Places.golden("prompts/toy.safetensors"), toPath: word)
    let prompt = "a (red:1.4) <toy>"
    let changes: [(inout RenderRequest) -> Void] = [
      { _ in }, { $0.isPlainPrompt = true }, { $0.clipSkip = 1 },
      { $0.embeddings = [EmbeddingReference(path: word)] },
      { $0.embeddings = [EmbeddingReference(path: word, token: "red")] },
    ]
    let ids = try changes.map { try house.enqueue(prompt, $0) }
    try house.worker().run()
    let files = try ids.map { id in try PNGFile.read("\(house.output)/\(id)/\(id)-0.png") }
    let pixels = files.map(\.image.pixels)
    for (number, own) in pixels.enumerated() { #expect(!pixels[..<number].contains(own), "\(number)") }
    let texts = files.map { file in file.texts.first { $0.keyword == "parameters" }?.text ?? "" }
    #expect(
      !texts[0].contains("Clip skip") && !texts[0].contains("TI hashes") && !texts[0].contains("Emphasis"))
    #expect(texts[1].contains("Emphasis: None"))
    #expect(texts[2].contains("Clip skip: 2"))
    #expect(texts[3].contains("TI hashes: \"<Toy>: "))
    let own = files.map { file in file.texts.first { $0.keyword == "segmoe" }?.text ?? "" }
    #expect(own[1].contains("\"plain_prompt\":true") && own[2].contains("\"clip_skip\":1"))
    #expect(own[4].contains("\"embeddings\":{\"red\":"))
  }

  @Test func whatCannotBeReadIsBadInput() throws {
    let house = try DaemonHouse()
    try Data("x".utf8).write(to: URL(fileURLWithPath: house.models + "/broken.safetensors"))
    let ids = [
      try house.enqueue { $0.embeddings = [EmbeddingReference(path: house.models + "/broken.safetensors")] },
      try house.enqueue { $0.embeddings = [EmbeddingReference(path: house.models + "/none.safetensors")] },
      try house.enqueue { $0.clipSkip = 50 },
      try house.enqueue(String(repeating: "(", count: 300)),
    ]
    try house.worker().run()
    for id in ids { #expect(try house.job(id).state == .failed, "\(id)") }
  }
}
