import Foundation
import JobStore
import RenderDaemon
import Requests
import Testing

/// Daemons with different models, and models that are still being copied.
@Suite struct LackedModelTests {
  /// A folder is tried again once its files have changed and then stayed the same for a moment.
  @Test func aFolderThatSettlesIsTriedAgain() throws {
    let house = try DaemonHouse()
    let locator = ModelLocator(folders: [house.models])
    var lacked = LackedModels()
    lacked.note("late", locator, now: 0)
    #expect(lacked.look(locator, now: 1).isEmpty && lacked.names == ["late"])
    // No folder at all: it is waited for, however long.
    #expect(lacked.look(locator, now: 100).isEmpty && lacked.names == ["late"])
    try FileManager.default.createDirectory(atPath: house.models + "/late", withIntermediateDirectories: true)
    for file in 1...3 {
      try Data("x".utf8).write(to: URL(fileURLWithPath: house.models + "/late/\(file)"))
      #expect(lacked.look(locator, now: 100 + Double(file)) == ["late"])
      #expect(lacked.names == ["late"])
    }
    #expect(lacked.look(locator, now: 104.9).isEmpty && lacked.names == ["late"])
    #expect(lacked.look(locator, now: 105.1).isEmpty && lacked.names.isEmpty)
    // What does not change is tried every ten seconds: its disk may have failed.
    lacked.note("late", locator, now: 200)
    #expect(lacked.look(locator, now: 209).isEmpty && lacked.names == ["late"])
    #expect(lacked.look(locator, now: 210).isEmpty && lacked.names.isEmpty)
  }

  /// A daemon without the model gives its jobs back; one that has it renders them, and nothing is held.
  @Test func daemonsLeaveToEachOtherWhatTheyLack() throws {
    let house = try DaemonHouse()
    let jobs = try (0..<3).flatMap { _ in [try house.enqueue(), try house.enqueue { $0.model = "other" }] }
    let first = try RealDaemon(house, worker: "one")
    try house.wait {
      try jobs.enumerated().allSatisfy { try $0.offset % 2 == 1 || house.job($0.element).state == .done }
    }
    #expect(try jobs.allSatisfy { try house.job($0).state != .failed })
    #expect(try house.client.lackedModels().map(\.model) == ["other"])
    // The model comes: no restart, no retry.
    try FileManager.default.copyItem(atPath: house.model, toPath: house.models + "/other")
    try house.wait { try jobs.allSatisfy { try house.job($0).state == .done } }
    #expect(try house.client.models().allSatisfy { $0.heldUntil == nil && $0.loadError == nil })
    #expect(try house.client.lackedModels().isEmpty)
    #expect(first.stop() == 0)
  }

  /// Two daemons with different models on one queue: each renders what it has, `status` says what each has and lacks.
  @Test func twoDaemonsWithDifferentModels() throws {
    let house = try DaemonHouse()
    let (left, right) = (house.models + "/.left", house.models + "/.right")
    for (folder, name) in [(left, "fox"), (right, "owl")] {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: house.model, toPath: folder + "/" + name)
    }
    let jobs = try (0..<8).map { number in
      try house.enqueue { $0.model = number % 2 == 0 ? "fox" : "owl" }
    }
    let daemons = try [("left", left), ("right", right)].map { name, folder in
      try RealDaemon(house, worker: name, metrics: house.folder + "/\(name).prom", models: folder)
    }
    try house.wait { try house.client.status().counts.done == jobs.count }
    for (index, id) in jobs.enumerated() {
      let details = try house.client.details(job: id)
      #expect(details.job.attempts == 1)
      // The last to claim it had its model.
      let claims = details.events.filter { $0.kind == .claimed }
      #expect(claims.last?.worker == (index % 2 == 0 ? "left" : "right"))
    }
    let told = try house.client.introductions()
    #expect(told["left"]?.contains("models: fox") == true, "\(told)")
    #expect(told["right"]?.contains("models: owl") == true, "\(told)")
    for lack in try house.client.lackedModels() {
      #expect(lack.model == (lack.worker == "left" ? "owl" : "fox"))
    }
    for daemon in daemons { #expect(daemon.stop() == 0, "\(daemon.account)") }
    try QueueAccount.expectInOrder(house, accepted: [jobs[0]...jobs[7]], "")
  }

  /// A model whose files come one after another while the daemon runs, the largest cut short at first: nothing fails, and
  /// the job is done once it is whole.
  @Test func aModelThatIsBeingCopied() throws {
    let house = try DaemonHouse()
    let (model, weights) = (house.models + "/late", "unet/diffusion_pytorch_model.safetensors")
    let files = FileManager.default
    try files.copyItem(atPath: house.model, toPath: model)
    let whole = try Data(contentsOf: URL(fileURLWithPath: "\(model)/\(weights)"))
    try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: "\(model)/\(weights)"))
    try files.removeItem(atPath: model + "/vae")
    let id = try house.enqueue { $0.model = "late" }
    let daemon = try RealDaemon(house)
    try house.wait { try !house.client.lackedModels().isEmpty }
    #expect(try house.job(id).state == .queued && house.job(id).attempts == 0)
    func tries() throws -> Int { try house.client.details(job: id).events.count { $0.kind == .claimed } }
    let before = try tries()
    try whole.prefix(whole.count * 3 / 4).write(to: URL(fileURLWithPath: "\(model)/\(weights)"))
    // It is tried once more, and still lacks it.
    try house.wait { try tries() > before && house.job(id).state != .running }
    #expect(try house.job(id).state == .queued && house.job(id).attempts == 0)
    try files.copyItem(atPath: house.model + "/vae", toPath: model + "/vae")
    try whole.write(to: URL(fileURLWithPath: "\(model)/\(weights)"))
    try house.wait { try house.job(id).state == .done }
    #expect(try house.job(id).attempts == 1 && house.client.lackedModels().isEmpty)
    #expect(daemon.stop() == 0)
  }

  /// LoRAs, VAEs and learned words that only one daemon has, and a LoRA that is still being copied.
  @Test func filesBesideAModelAreLeftToOthersToo() throws {
    let house = try DaemonHouse()
    let right = house.models + "/.right"
    try FileManager.default.createDirectory(atPath: right, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: house.model, toPath: right + "/tiny")
    try FileManager.default.copyItem(atPath: house.model + "/vae", toPath: right + "/other-vae")
    try Data("half a".utf8).write(to: URL(fileURLWithPath: house.models + "/half.safetensors"))
    let vae = try house.enqueue { $0.vae = "other-vae" }
    let half = try house.enqueue { $0.loras = [LoRAReference(path: "half.safetensors")] }
    let word = try house.enqueue { $0.embeddings = [EmbeddingReference(path: "gone.pt")] }
    let plain = try house.enqueue()
    // A file counts as one that is being copied while its last change is no minute old.
    func copyOn() { utimes(house.models + "/half.safetensors", nil) }
    let left = try RealDaemon(house, worker: "left")
    try house.wait {
      copyOn()
      return try house.job(plain).state == .done && Set(house.client.lackedModels().map(\.model)).count == 3
    }
    for id in [vae, half, word] {
      let job = try house.job(id)
      #expect(job.state == .queued && job.attempts == 0, "\(job)")
    }
    // It takes them no more, however often it looks, until their files change.
    let other = try RealDaemon(house, worker: "right", metrics: house.folder + "/right.prom", models: right)
    try house.wait {
      copyOn()
      return try house.job(vae).state == .done
    }
    #expect(left.stop() == 0 && other.stop() == 0)
    copyOn()
    // When nobody who lives has them, the reason names who was asked.
    let last = try RealDaemon(house, worker: "last", drain: true)
    #expect(last.end() == 1, "\(last.account)")
    for (id, name) in [(half, "half.safetensors"), (word, "gone.pt")] {
      let job = try house.job(id)
      #expect(job.state == .failed && job.failure?.kind == .badInput, "\(job)")
      #expect(
        job.failure?.message.contains("no living worker has had its file \(name): asked last: ") == true,
        "\(job)")
    }
    try QueueAccount.expectInOrder(house, accepted: [vae...plain], "")
  }

  /// What a worker says of its models follows its folders.
  @Test func namesFollowTheFolders() throws {
    let house = try DaemonHouse()
    let locator = ModelLocator(folders: [house.models])
    try Data("x".utf8).write(to: URL(fileURLWithPath: house.models + "/file.safetensors"))
    try FileManager.default.createDirectory(
      atPath: house.models + "/folder", withIntermediateDirectories: true)
    #expect(locator.names == "file.safetensors, tiny")
    #expect(ModelLocator(folders: []).names == nil && ModelLocator(folders: [house.output]).names == "none")
    for index in 0..<30 {
      try Data("x".utf8).write(to: URL(fileURLWithPath: "\(house.models)/\(index).gguf"))
    }
    #expect(locator.names?.hasSuffix(" and 12 more") == true)
  }
}
