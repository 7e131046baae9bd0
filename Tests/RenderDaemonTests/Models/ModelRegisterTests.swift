import Foundation
import GRDB
import GoldenModels
import JobStore
import Logging
import RenderDaemon
import TestSupport
import Testing

/// What a daemon finds in its folders, without reading weights, whatever lies there.
@Suite struct ModelRegisterTests {
  private func look(
    _ house: DaemonHouse, _ folders: [String]? = nil, _ session: WorkerSession? = nil
  ) throws -> [ModelRecord] {
    var log = Logger(label: "test")
    log.logLevel = .critical
    let folders = folders ?? [house.models]
    let register = ModelRegister(
      session: try session ?? house.session("w"), folders: folders, allowed: folders, log: log)
    register.end(finishing: true)
    return try house.client.models()
  }

  /// The size of a file, or of all files in a folder.
  private func bytes(_ path: String) throws -> Int64 {
    let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
    return try ([path] + names.map { "\(path)/\($0)" }).reduce(0) { sum, file in
      let attributes = try FileManager.default.attributesOfItem(atPath: file)
      guard attributes[.type] as? FileAttributeType == .typeRegular else { return sum }
      return sum + ((attributes[.size] as? NSNumber)?.int64Value ?? 0)
    }
  }

  private func make(_ house: DaemonHouse, _ name: String, _ content: Data) throws {
    let url = URL(fileURLWithPath: house.models + "/" + name)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try content.write(to: url)
  }

  private func link(_ house: DaemonHouse, _ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: house.models + "/" + name, withDestinationPath: target)
  }

  @Test func kindsAndSizesAreTold() throws {
    let house = try DaemonHouse()
    for name in ["all-3x2", "xl", "sd2", "painter"] { try house.addModel(name) }
    let file = try SingleFile("base")
    let files = FileManager.default
    try files.createDirectory(atPath: house.models + "/files", withIntermediateDirectories: true)
    try files.copyItem(atPath: file.path, toPath: house.models + "/files/one.safetensors")
    try files.copyItem(atPath: file.folder + "/model.config", toPath: house.models + "/files/one.config")
    let models = try look(house)
    #expect(models.allSatisfy { $0.fault == nil && $0.loadedAt == nil && $0.workers == ["w"] }, "\(models)")
    let told = Dictionary(
      uniqueKeysWithValues: models.map { ($0.name, [$0.kind ?? "", $0.description ?? ""]) })
    #expect(
      told == [
        "tiny": ["sd", "SD1.5 folder"], "all-3x2": ["segmoe-sd", "3x2, layers all"],
        "xl": ["sdxl", "SDXL folder"], "sd2": ["sd", told["sd2"]?[1] ?? ""],
        "painter": ["sd", "SD1.5 folder"], "files/one.safetensors": ["sd", "SD1.5 file"],
      ])
    // Configurations beside a file are part of its model.
    let single = try ["one.safetensors", "one.config"].map { try bytes("\(house.models)/files/\($0)") }
    #expect(models.first { $0.name == "files/one.safetensors" }?.bytes == single.reduce(0, +))
    let whole = try bytes(house.model)
    #expect(models.first { $0.name == "tiny" }?.bytes == whole)
  }

  /// Nothing of this hangs or ends the daemon; what can't be used says why, and what is no model is left out.
  @Test func whateverLiesThere() throws {
    let house = try DaemonHouse()
    mkfifo(house.models + "/pipe.safetensors", 0o600)
    try make(house, "page.safetensors", Data("<!DOCTYPE html><html></html>".utf8))
    try make(house, "short.safetensors", Data([255, 0, 0, 0, 0, 0, 0, 0]) + Data("{".utf8))
    try make(house, "text.gguf", Data("hello".utf8))
    try make(house, "old.ckpt", Data([0x80, 2]))
    let lora = Data(#"{"lora_unet_x.lora_up.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.utf8)
    try make(
      house, "loras/a.safetensors", Data([UInt8(lora.count), 0, 0, 0, 0, 0, 0, 0]) + lora + Data(count: 4))
    try make(house, ".hidden.safetensors", Data("x".utf8))
    try make(house, "half/unet/diffusion_pytorch_model.safetensors", Data("x".utf8))
    try make(house, "notes.txt", Data("x".utf8))
    try make(house, "broken/model_index.json", Data("{".utf8))
    try make(house, "empty/model_index.json", Data("{}".utf8))
    try make(house, "\u{1B}[31m\n.safetensors", Data("x".utf8))
    try FileManager.default.copyItem(atPath: house.model, toPath: house.models + "/copied")
    try FileManager.default.removeItem(
      atPath: house.models + "/copied/unet/diffusion_pytorch_model.safetensors")
    // Links in circles, to nothing, to what is here under another name, and out of the folder.
    try link(house, "self", to: ".")
    try link(house, "loop", to: "loop")
    try link(house, "loras/up", to: "..")
    try link(house, "dangling.safetensors", to: "gone.safetensors")
    try link(house, "tiny-again", to: "tiny")
    try link(house, "loras/tiny-too", to: "../tiny")
    try link(house, "out", to: house.folder)
    let deep = Array(repeating: "d", count: 60).joined(separator: "/")
    try FileManager.default.createDirectory(
      atPath: house.models + "/" + deep, withIntermediateDirectories: true)
    try make(house, "d/d/d/deep.safetensors", Data("x".utf8))

    let models = try look(house)
    let faults = Dictionary(uniqueKeysWithValues: models.map { ($0.name, $0.fault) })
    #expect(models.filter { $0.fault == nil }.map(\.name) == ["tiny"])
    for (name, part) in [
      ("pipe.safetensors", "pipe"), ("page.safetensors", "web page"), ("short.safetensors", "damaged"),
      ("text.gguf", ""), ("old.ckpt", "pickled"), ("broken", "model_index.json"), ("empty", ""),
      ("copied", "unet"), ("out", "outside"), ("d/d/d/deep.safetensors", ""),
      ("\u{1B}[31m\n.safetensors", ""), ("loop", ""),
    ] {
      let fault = try #require(faults[name] ?? nil, "\(name) is not among \(faults.keys)")
      #expect(
        (part.isEmpty || fault.contains(part)) && !fault.isEmpty && !fault.contains("\n")
          && !fault.contains("\u{1B}"), "\(fault)")
    }
    for name in [
      "loras/a.safetensors", ".hidden.safetensors", "half/unet/diffusion_pytorch_model.safetensors",
      "notes.txt", "dangling.safetensors", "tiny-again",
    ] {
      #expect(faults[name] == nil, "\(name)")
    }
    #expect(faults.count == 13, "\(faults.keys)")
    // A job may say a link's name, too. What lies very deep was not looked at, so any name may be right.
    let known = try house.client.knownModels()
    #expect(known.names.isSuperset(of: ["tiny", "tiny-again", "loras/tiny-too"]) && !known.isComplete)
  }

  /// What was declared before a reload, or was deleted by hand, is declared again.
  @Test func whatTheQueueHasFollowsTheSettings() throws {
    let house = try DaemonHouse()
    let session = try house.session("w")
    var log = Logger(label: "test")
    log.logLevel = .critical
    let register = ModelRegister(
      session: session, folders: [house.models], allowed: [house.models], log: log)
    register.look()
    #expect(try house.client.knownModels().isComplete && house.client.knownModels().names == ["tiny"])
    // From anywhere.
    register.use(folders: [], allowed: [])
    register.look()
    #expect(try !house.client.knownModels().isComplete && house.client.knownModels().names.isEmpty)
    register.use(folders: [house.models], allowed: [house.models])
    register.look()
    try house.sqlite().write { try $0.execute(sql: "DELETE FROM found_models") }
    #expect(try house.client.knownModels().names.isEmpty)
    register.look()
    #expect(try house.client.knownModels().isComplete && house.client.knownModels().names == ["tiny"])
    // A folder whose disk is away says nothing of the names.
    register.use(folders: [house.models, house.models + "/gone"], allowed: [house.models])
    register.look()
    #expect(try !house.client.knownModels().isComplete)
    register.end(finishing: false)
    register.use(folders: [], allowed: [])
    register.look()
    #expect(try house.client.knownModels().names == ["tiny"])
  }

  @Test(.enabled(if: geteuid() != 0)) func whatMayNotBeReadSaysSo() throws {
    let house = try DaemonHouse()
    try make(house, "locked.safetensors", Data("x".utf8))
    try FileManager.default.createDirectory(
      atPath: house.models + "/closed", withIntermediateDirectories: true)
    chmod(house.models + "/locked.safetensors", 0)
    chmod(house.models + "/closed", 0)
    defer { chmod(house.models + "/closed", 0o700) }
    let faults = try look(house).compactMap(\.fault)
    #expect(faults.count == 2 && faults.allSatisfy { $0.contains("ermission denied") }, "\(faults)")
  }

  /// A thousand, of which most are broken: each is listed, and the next look finds what has changed.
  @Test func aThousandModels() throws {
    let house = try DaemonHouse()
    for number in 0..<1000 {
      try make(house, "\(number)/model_index.json", Data("{}".utf8))
    }
    let session = try house.session("w")
    #expect(try look(house, nil, session).count == 1001)
    try FileManager.default.removeItem(atPath: house.models + "/17")
    let models = try look(house, nil, session)
    #expect(models.count == 1000 && !models.contains { $0.name == "17" })
  }

  /// In two folders: of two models with one name that in the first counts, as for a job.
  @Test func theFirstFolderCounts() throws {
    let house = try DaemonHouse()
    let (first, second) = (house.models + "/.first", house.models + "/.second")
    for folder in [first, second] {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    try FileManager.default.copyItem(atPath: house.model, toPath: first + "/fox")
    try FileManager.default.copyItem(atPath: house.model, toPath: second + "/fox")
    try FileManager.default.copyItem(atPath: house.model, toPath: second + "/owl")
    let models = try look(house, [first, second])
    #expect(models.map(\.name) == ["fox", "owl"] && models[0].path?.hasPrefix(first + "/") == true)
    #expect(models[1].path?.hasPrefix(second + "/") == true)
  }

  /// By the real program: at its start, and when a model comes or goes while it runs.
  @Test func theDaemonTellsWhatComesAndGoes() throws {
    let house = try DaemonHouse()
    let daemon = try RealDaemon(house)
    try house.wait { try house.client.knownModels().isComplete }
    #expect(try house.client.models().map(\.name) == ["tiny"])
    #expect(try house.client.models().first?.loadedAt == nil)
    try FileManager.default.moveItem(atPath: house.model, toPath: house.models + "/fox")
    try house.wait { try house.client.models().map(\.name) == ["fox"] }
    let id = try house.enqueue { $0.model = "fox" }
    try house.wait { try house.job(id).state == .done }
    let fox = try #require(try house.client.models().first)
    #expect(fox.loadedAt != nil && fox.digest != nil && fox.bytes != nil && fox.description == "SD1.5 folder")
    #expect(daemon.stop() == 0)
    // What it had is known while no daemon runs.
    #expect(try house.client.knownModels().usable.map(\.name) == ["fox"])
  }
}
