import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What jobs name: files travel by their content, models by their names.
@Suite struct ShardFileTests {
  /// Files that only this machine has travel by their content; a model does not, unless somebody says so.
  @Test func whatOnlyThisMachineHas() throws {
    let house = try DaemonHouse()
    let picture = house.folder + "/start.png"
    try FileManager.default.copyItem(atPath: Places.golden("images/picture.png"), toPath: picture)
    let vae = house.folder + "/own-vae"
    try FileManager.default.copyItem(atPath: Places.golden("vae/tiny"), toPath: vae)
    let id = try house.enqueue { settings in
      settings.model = house.model
      (settings.initImage, settings.vae) = (picture, vae)
    }
    let shards = house.folder + "/shards"
    let refused = try RealClient.run(house, ["shard", "1", "--shards", "1", "--to", shards])
    #expect(
      refused.answer == nil && refused.error.contains("job \(id) names its model by a path"), "\(refused)")
    // Nothing is held by what did not come about.
    #expect(try house.client.list().allSatisfy { $0.shards == nil && !$0.isHeld })
    let made = try RealClient.run(
      house, ["shard", "1", "--shards", "1", "--to", shards + "2", "--copy-models"])
    try #require(made.answer != nil, "\(made.error)")
    let copies = try FileManager.default.contentsOfDirectory(atPath: shards + "2/files").flatMap {
      try FileManager.default.contentsOfDirectory(atPath: shards + "2/files/\($0)")
    }
    #expect(copies.sorted() == ["own-vae", "start.png", "tiny"])
    // On the other machine the folder lies elsewhere, and nothing else is there.
    try FileManager.default.moveItem(atPath: shards + "2", toPath: shards)
    for path in [picture, vae] { try FileManager.default.removeItem(atPath: path) }
    let work = house.folder + "/work"
    try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
    _ = try RealClient.run(house, ["stage", "in", shards, "0", work])
    let daemon = try Outcome(
      of: "segmoed",
      [
        "--drain", "--database", work + "/queue.sqlite", "--output", work + "/pictures", "--models",
        shards + "/files", "--inputs", shards + "/files", "--threads", "1",
      ], environment: ["PATH": "/usr/bin:/bin"])
    #expect(daemon.code == 0, "\(daemon.errors)")
    _ = try RealClient.run(house, ["stage", "out", shards, "0", work, "--attempt", "1"])
    _ = try RealClient.run(house, ["collect", shards, "--output", house.output])
    let details = try house.client.details(job: id)
    #expect(details.job.state == .done, "\(details.job)")
    // At home the request is what it was.
    #expect(details.job.request.render.initImage == picture && details.job.request.render.vae == vae)
    #expect(details.job.completion?.modelDigest?.contains("+vae:") == true)
  }

  /// Each kind of file travels by its content, once, and for its owner alone; what it is called stays.
  @Test func everyKindOfFileTravels() throws {
    let house = try DaemonHouse()
    func file(_ name: String, _ content: String) throws -> String {
      let path = house.folder + "/" + name
      try FileManager.default.createDirectory(
        atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path, withIntermediateDirectories: true
      )
      try Data(content.utf8).write(to: URL(fileURLWithPath: path))
      return path
    }
    let contents = [
      "l.safetensors": "lora", "e.safetensors": "word", "v.safetensors": "vae", "i.png": "start",
      "m.png": "mask",
    ]
    let paths = try contents.reduce(into: [:]) { $0[$1.key] = try file($1.key, $1.value) }
    func path(_ name: String) throws -> String { try #require(paths[name]) }
    let twin = try file("twin.safetensors", "lora")
    var settings = RenderRequest(model: "tiny", prompt: "x")
    settings.loras = try [
      LoRAReference(path: path("l.safetensors"), weight: 1), LoRAReference(path: twin, weight: 1),
      LoRAReference(path: "named", weight: 1),
    ]
    settings.embeddings = [EmbeddingReference(path: try path("e.safetensors"), token: "t")]
    (settings.vae, settings.initImage, settings.mask) = try (
      path("v.safetensors"), path("i.png"), path("m.png")
    )
    let request = JobRequest(settings)
    _ = try house.client.enqueue(BatchRequest(), requests: [request, request])
    let shards = house.folder + "/shards"
    let made = try RealClient.run(
      house, ["shard", "1", "--shards", "1", "--to", shards, "--models", house.models])
    try #require(made.answer != nil, "\(made.error)")
    for number in 0..<2 {
      let shard = try QueueClient.open(path: "\(shards)/shards/000\(number).sqlite", for: .reading)
      let render = try #require(try shard.jobs(batch: 1).first).request.render
      var named = render
      var found: [String: String] = [:]
      try named.changeFiles { _, path in
        guard path.hasPrefix("/") else { return path }
        #expect(path.hasPrefix(shards + "/files/"))
        found[URL(fileURLWithPath: path).lastPathComponent] = try String(
          contentsOfFile: path, encoding: .utf8)
        return path
      }
      #expect(found == contents.merging(["twin.safetensors": "lora"]) { $1 })
      #expect(render.loras.map(\.path).last == "named" && render.model == "tiny")
    }
    // Six names of five contents.
    let names = try FileManager.default.subpathsOfDirectory(atPath: shards + "/files")
    let files = names.filter { $0.contains("/") }
    let inodes = files.map { name in
      var status = stat()
      #expect(stat(shards + "/files/" + name, &status) == 0 && status.st_mode & 0o777 == 0o600)
      return status.st_ino
    }
    #expect(files.count == 6 && Set(inodes).count == 5, "\(names)")
    let rights = try FileManager.default.attributesOfItem(atPath: shards)[.posixPermissions] as? Int
    #expect(rights == 0o700)
    // A file that is gone is named, and nothing is held.
    _ = try house.client.enqueue(BatchRequest(), requests: [request])
    try FileManager.default.removeItem(atPath: path("m.png"))
    let refused = try RealClient.run(house, ["shard", "2", "--shards", "1", "--to", shards + "2"])
    #expect(
      try refused.answer == nil && refused.error.contains("job 3 names \(path("m.png")), which is not there"))
    #expect(try house.job(3).state == .queued && house.client.jobsInShards(batch: 2) == 0)
    #expect(!FileManager.default.fileExists(atPath: shards + "2"))
  }

  /// What lies beside a file and says how it is meant goes along, and nothing else of its folder.
  @Test func whatBelongsToAFileTravels() throws {
    let house = try DaemonHouse()
    let folder = house.folder + "/mine"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (name, content) in [
      "adapter.safetensors": "lora", "adapter_config.json": "{}", "secret.txt": "s", "other.safetensors": "o",
    ] {
      try Data(content.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
    try house.enqueue { $0.loras = [LoRAReference(path: folder + "/adapter.safetensors", weight: 1)] }
    let shards = house.folder + "/shards"
    let arguments = ["shard", "1", "--shards", "1", "--to", shards, "--models", house.models]
    for _ in 0..<2 {
      let made = try RealClient.run(house, arguments)
      try #require(made.answer != nil, "\(made.error)")
      let shard = try QueueClient.open(path: shards + "/shards/0000.sqlite", for: .reading)
      let path = try #require(try shard.jobs(batch: 1).first?.request.render.loras.first?.path)
      let place = URL(fileURLWithPath: path).deletingLastPathComponent().path
      #expect(place.hasPrefix(shards + "/files/"))
      #expect(
        TemporaryFolder.files(below: shards + "/files").map { URL(fileURLWithPath: $0).lastPathComponent }
          == ["adapter.safetensors", "adapter_config.json"])
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "lora")
      #expect(try String(contentsOfFile: place + "/adapter_config.json", encoding: .utf8) == "{}")
      // As if the first had been interrupted at its end.
      try FileManager.default.removeItem(atPath: shards + "/shards.json")
    }
  }

  /// Slurm says when a shard is rendered; a machine that has it does not wait.
  @Test func aTimeToStartDoesNotTravel() throws {
    let house = try DaemonHouse()
    var request = JobRequest(RenderRequest(model: "tiny", prompt: "x"))
    request.runAfter = Date().milliseconds + 3_600_000
    _ = try house.client.enqueue(BatchRequest(), requests: [request])
    let shards = house.folder + "/shards"
    let made = try RealClient.run(
      house, ["shard", "1", "--shards", "1", "--to", shards, "--models", house.models])
    try #require(made.answer != nil, "\(made.error)")
    let shard = try QueueClient.open(path: shards + "/shards/0000.sqlite", for: .reading)
    #expect(try shard.jobs(batch: 1).map(\.request.runAfter) == [nil])
    #expect(try house.job(1).request.runAfter == request.runAfter)
  }

  /// A model of a hub is copied from where it was fetched, if somebody says so. Nobody has to know it by its name.
  @Test func aModelOfAHubTravels() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue { $0.model = "owner/model" }
    try house.sqlite().write { db in
      try db.execute(
        sql: "UPDATE sources SET state = 'ready', path = ?; UPDATE jobs SET held = 0",
        arguments: [house.model])
    }
    let shards = house.folder + "/shards"
    let arguments = ["shard", "1", "--shards", "1", "--to", shards]
    let refused = try RealClient.run(house, arguments)
    #expect(refused.answer == nil && refused.error.contains("by a path of this machine"), "\(refused)")
    let made = try RealClient.run(house, arguments + ["--copy-models"])
    try #require(made.answer != nil, "\(made.error)")
    #expect(!made.error.contains("by their names"), "\(made.error)")
    // Without --models the daemon's configuration has to let it in.
    #expect(made.error.contains("has files that go with models"), "\(made.error)")
    let shard = try QueueClient.open(path: shards + "/shards/0000.sqlite", for: .reading)
    let place = try #require(try shard.details(job: id).sources.first?.path)
    #expect(place.hasPrefix(shards + "/files/") && place.hasSuffix("/tiny"))
    #expect(FileManager.default.fileExists(atPath: place + "/model_index.json"))
  }

  /// What was fetched for a LoRA is copied as a LoRA is, which needs no `--copy-models`.
  @Test func aLoRAOfAHubTravels() throws {
    let house = try DaemonHouse()
    let fetched = house.folder + "/fetched"
    try FileManager.default.createDirectory(atPath: fetched, withIntermediateDirectories: true)
    try Data("lora".utf8).write(to: URL(fileURLWithPath: fetched + "/l.safetensors"))
    let id = try house.enqueue { $0.loras = [LoRAReference(path: "owner/lora", weight: 1)] }
    let shards = house.folder + "/shards"
    let arguments = ["shard", "1", "--shards", "1", "--to", shards, "--models", house.models]
    let early = try RealClient.run(house, arguments)
    #expect(early.answer == nil && early.error.contains("let it be fetched first"), "\(early)")
    try house.sqlite().write { db in
      try db.execute(
        sql: "UPDATE sources SET state = 'ready', path = ?; UPDATE jobs SET held = 0", arguments: [fetched])
    }
    let made = try RealClient.run(house, arguments)
    try #require(made.answer != nil, "\(made.error)")
    let shard = try QueueClient.open(path: shards + "/shards/0000.sqlite", for: .reading)
    let place = try #require(try shard.details(job: id).sources.first?.path)
    #expect(place.hasPrefix(shards + "/files/"))
    #expect(try String(contentsOfFile: place + "/l.safetensors", encoding: .utf8) == "lora")
  }
}
