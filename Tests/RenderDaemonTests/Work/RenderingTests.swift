import Boundary
import Checkpoints
import Foundation
import Images
import JobStore
import RenderDaemon
import Requests
import Testing

/// What a healthy daemon does with healthy jobs.
@Suite struct RenderingTests {
  @Test func rendersABatchAndSaysHow() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue("a red fox, \"quoted\" — Füchslein") {
      $0.count = 2
      $0.seed = 41
      $0.negativePrompt = "blurry"
      $0.guidance = 3.5
    }
    try house.worker().run()
    let details = try house.client.details(job: id)
    #expect(details.job.state == .done && details.job.failure?.message == nil)
    #expect(house.files() == ["1/\(id)-0.png", "1/\(id)-1.png"])
    for (index, image) in details.images.enumerated() {
      #expect(image.path == "\(house.output)/1/\(id)-\(index).png")
      #expect(image.seed == 41 + Int64(index))
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: image.path)))
      var digest = Digest()
      digest.add(bytes)
      #expect(image.digest == digest.hexadecimal() && image.bytes == Int64(bytes.count))
      let file = try PNGFile.read(image.path)
      #expect(file.image.width == 64 && file.image.height == 64)
      let parameters = try #require(file.texts.first { $0.keyword == "parameters" })
      let read = A1111Reader(parameters.text)
      #expect(read.prompt == "a red fox, \"quoted\" — Füchslein" && read.negativePrompt == "blurry")
      #expect(read.settings["Seed"] == "\(41 + index)" && read.settings["Sampler"] == "DDIM")
      #expect(read.settings["CFG scale"] == "3.5" && read.settings["Steps"] == "2")
      let whole = try #require(file.texts.first { $0.keyword == "segmoe" })
      let json = try #require(
        try JSONSerialization.jsonObject(with: Data(whole.text.utf8)) as? [String: Any])
      #expect(json["seed"] as? Int == 41 + index && json["job"] as? Int == Int(id))
      #expect((json["model_digest"] as? String)?.count == 64 && json["version"] != nil)
    }
  }

  /// One daemon, one model in three precisions: none of them sees another's weights, and each picture
  /// says what it was made in.
  @Test func everyPrecisionHasWeightsOfItsOwn() throws {
    let house = try DaemonHouse()
    try house.addModel("all-3x2")
    var pictures: [Precision: Set<[UInt8]>] = [:]
    let order: [Precision] = [.f32, .bf16, .int8, .bf16, .f32, .int8]
    let jobs = try order.map { precision in
      try house.enqueue {
        $0.model = "all-3x2"
        $0.precision = precision
      }
    }
    try house.worker().run()
    for (id, precision) in zip(jobs, order) {
      let details = try house.client.details(job: id)
      #expect(details.job.state == .done, "\(details.job.failure?.message ?? "")")
      let file = try PNGFile.read(try #require(details.images.first).path)
      pictures[precision, default: []].insert(file.image.pixels)
      let whole = try #require(file.texts.first { $0.keyword == "segmoe" })
      #expect(whole.text.contains("\"precision\":\"\(precision.rawValue)\""))
    }
    #expect(pictures.values.allSatisfy { $0.count == 1 })
    #expect(Set(pictures.values.joined()).count == 3)
  }

  /// A budget that is too small is said at once, with the one that would do; any larger one is kept without a
  /// trace in the picture.
  @Test func sameRequestSamePixelsWhateverTheBudget() throws {
    let house = try DaemonHouse()
    try house.addModel("all-3x2")
    let refused = try house.enqueue { $0.model = "all-3x2" }
    try house.worker(budget: 1 << 20).run()
    let failed = try house.client.details(job: refused).job
    #expect(failed.state == .failed && failed.failure?.kind == .badInput)
    #expect(
      failed.failure?.message.contains("the smallest that would do is") == true,
      "\(failed.failure?.message ?? "")")

    var images: [RGBImage] = []
    for budget in [16 << 30, Int.max] {
      let id = try house.enqueue { $0.model = "all-3x2" }
      try house.worker(budget: budget).run()
      let details = try house.client.details(job: id)
      images.append(try PNGFile.read(try #require(details.images.first).path).image)
      let statistics = try #require(details.job.completion?.statistics)
      #expect(statistics.cacheMisses > 0 && statistics.bytesRead > 0 && statistics.cacheHits > 0)
    }
    #expect(images[0] == images[1])
  }

  /// A job that takes longer than anybody needs to end it.
  private func enqueueLong(_ house: DaemonHouse) throws -> Int64 {
    try house.enqueue {
      $0.steps = 900
      $0.width = 256
      $0.height = 256
    }
  }

  @Test func stopGivesTheJobBackUnattempted() throws {
    let house = try DaemonHouse()
    let id = try enqueueLong(house)
    let worker = try house.worker(drain: false)
    let thread = Thread { try? worker.run() }
    thread.start()
    try house.wait { try house.client.details(job: id).summary.step > 2 }
    worker.requestStop()
    try house.wait { try house.job(id).state == .queued }
    #expect(try house.job(id).attempts == 0)
    #expect(house.files().isEmpty)
  }

  @Test func cancelStopsARunningJob() throws {
    let house = try DaemonHouse()
    let id = try enqueueLong(house)
    let worker = try house.worker()
    let thread = Thread { try? worker.run() }
    thread.start()
    try house.wait { try house.job(id).state == .running }
    _ = try house.client.cancel(job: id)
    try house.wait { try house.job(id).state == .cancelled }
    #expect(house.files().isEmpty)
  }

  @Test func lorasChangeThePicture() throws {
    let house = try DaemonHouse()
    let lora = house.models + "/strong.safetensors"
    try Self.writeLoRA(lora)
    let plain = try house.enqueue()
    let strong = try house.enqueue { $0.loras = [LoRAReference(path: lora, weight: 1)] }
    let none = try house.enqueue { $0.loras = [LoRAReference(path: lora, weight: 0)] }
    try house.worker().run()
    let images = try [plain, strong, none].map { id in
      try PNGFile.read(try #require(try house.client.details(job: id).images.first).path).image
    }
    #expect(images[0] != images[1] && images[0] == images[2])
  }

  /// A rank-1 change to one projection of the golden model.
  private static func writeLoRA(_ path: String) throws {
    let layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    let writer = try SafetensorsWriter(
      path: path,
      tensors: [
        .init(name: "\(layer).lora_A.weight", type: .float32, shape: [1, 16]),
        .init(name: "\(layer).lora_B.weight", type: .float32, shape: [16, 1]),
      ])
    let values = (0..<16).map { Float($0 % 5) - 1.5 }
    for name in ["A", "B"] {
      try values.withUnsafeBufferPointer { try writer.append($0, name: "\(layer).lora_\(name).weight") }
    }
    try writer.finish()
  }
}
