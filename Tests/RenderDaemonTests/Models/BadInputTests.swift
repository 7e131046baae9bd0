import Foundation
import JobStore
import RenderDaemon
import TestSupport
import Testing

/// Everything that can be wrong with a model, a request or a disk: the job fails with a text that
/// names it, the daemon lives, and nothing lies under a final name.
@Suite struct BadInputTests {
  private let unet = "/unet/diffusion_pytorch_model.safetensors"

  @Test func aGoodJobAfterABadOneIsRendered() throws {
    let house = try DaemonHouse()
    let bad = try house.enqueue { $0.model = "gone" }
    let good = try house.enqueue()
    try house.expectFailure(of: bad, "model gone is not there")
    #expect(try house.job(good).state == .done)
  }

  @Test func truncatedWeights() throws {
    let house = try DaemonHouse()
    let path = house.model + unet
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: path))
    try house.expectFailure(of: house.enqueue(), "diffusion_pytorch_model.safetensors")
  }

  @Test func hostileHeader() throws {
    let house = try DaemonHouse()
    var bytes = Data([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F])
    bytes.append(Data("{\"a\":{}}".utf8))
    try bytes.write(to: URL(fileURLWithPath: house.model + unet))
    try house.expectFailure(of: house.enqueue(), "diffusion_pytorch_model.safetensors")
  }

  @Test func missingTensor() throws {
    let house = try DaemonHouse()
    // The name is as long as before, so offsets stay right.
    try replace("conv_norm_out.weight", with: "conv_norm_our.weight", in: house.model + unet)
    try house.expectFailure(of: house.enqueue(), "conv_norm_out.weight")
  }

  @Test func wrongShape() throws {
    let house = try DaemonHouse()
    try replace(
      "\"norm_num_groups\": 8", with: "\"norm_num_groups\": 7", in: house.model + "/unet/config.json")
    try house.expectFailure(of: house.enqueue(), "norm_num_groups")
  }

  @Test func wrongWidths() throws {
    let house = try DaemonHouse()
    try replace(
      "\"cross_attention_dim\": 32", with: "\"cross_attention_dim\": 48",
      in: house.model + "/unet/config.json")
    try house.expectFailure(of: house.enqueue(), "48", "32")
  }

  @Test func unsupportedThingIsRefusedByName() throws {
    let house = try DaemonHouse()
    try replace("\"act_fn\": \"silu\"", with: "\"act_fn\": \"mish\"", in: house.model + "/unet/config.json")
    try house.expectFailure(of: house.enqueue(), "act_fn", "mish")
  }

  @Test func unknownSchedulerOfTheModel() throws {
    let house = try DaemonHouse()
    try replace("PNDMScheduler", with: "MagicScheduler", in: house.model + "/scheduler/scheduler_config.json")
    try house.expectFailure(of: house.enqueue { $0.scheduler = nil }, "MagicScheduler")
  }

  @Test func modelGoneBetweenEnqueueAndRender() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue { $0.model = house.model }
    try FileManager.default.removeItem(atPath: house.model)
    try house.expectFailure(of: id, house.model, "not there")
  }

  @Test func modelOutsideTheModelFolders() throws {
    let house = try DaemonHouse()
    let outside = house.folder + "/elsewhere"
    try FileManager.default.moveItem(atPath: house.model, toPath: outside)
    try house.expectFailure(of: house.enqueue { $0.model = outside }, "outside the model folders")
    // A link inside that leads outside is outside.
    try FileManager.default.createSymbolicLink(atPath: house.model, withDestinationPath: outside)
    try house.expectFailure(of: house.enqueue(), "outside the model folders")
  }

  @Test func outputFolderThatCannotBe() throws {
    let house = try DaemonHouse()
    try Data("a file".utf8).write(to: URL(fileURLWithPath: house.output))
    try house.expectFailure(of: house.enqueue(), "output folder", house.output)
  }

  /// A tiny file system that is full; only where this user may mount one.
  @Test(.enabled(if: geteuid() == 0)) func diskFull() throws {
    let house = try DaemonHouse()
    try FileManager.default.createDirectory(atPath: house.output, withIntermediateDirectories: true)
    guard shell("mount", "-t", "tmpfs", "-o", "size=16k", "none", house.output) == 0 else {
      print("diskFull: mounting is not allowed here; not tested")
      return
    }
    defer { _ = shell("umount", house.output) }
    try house.expectFailure(
      of: house.enqueue {
        $0.width = 256; $0.height = 256
      }, "full", house.output)
  }

  @Test func settingsNobodyServes() throws {
    let house = try DaemonHouse()
    let stepless = try house.enqueue { $0.steps = 1000 }
    try house.expectFailure(of: stepless, "steps", "1000")
  }

  private func replace(_ old: String, with new: String, in path: String) throws {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let range = try #require(bytes.range(of: Data(old.utf8)), "\(old) is not in \(path)")
    bytes.replaceSubrange(range, with: Data(new.utf8))
    try bytes.write(to: URL(fileURLWithPath: path))
  }

  private func shell(_ arguments: String...) -> Int32 {
    (try? Outcome(of: "/usr/bin/env", arguments))?.code ?? -1
  }
}
