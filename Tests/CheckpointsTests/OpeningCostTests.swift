import Checkpoints
import Foundation
import Testing

/// What files take to open is known before they are parsed.
@Suite struct OpeningCostTests {
  private func folder() throws -> URL {
    let folder = URL(fileURLWithPath: NSTemporaryDirectory() + "segmoe-cost-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder.appending(path: "unet"), withIntermediateDirectories: true)
    return folder
  }

  /// A file with a header of so many spaces.
  private func padded(_ bytes: Int) -> Data {
    var length = UInt64(bytes).littleEndian
    return Data(bytes: &length, count: 8) + Data("{".utf8) + Data(repeating: 0x20, count: bytes - 2)
      + Data("}".utf8)
  }

  @Test func ordinaryFilesCostNothing() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    try padded(1 << 20).write(to: folder.appending(path: "unet/model.safetensors"))
    try Data("{}".utf8).write(to: folder.appending(path: "unet/config.json"))
    #expect(OpeningCost.beyondOrdinary([folder.path]) == 0)
    #expect(OpeningCost.beyondOrdinary([folder.path + "/none", "/dev/null"]) == 0)
  }

  @Test func largeHeadersAndConfigurationsCount() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let header = folder.appending(path: "unet/model.safetensors")
    try padded(6 << 20).write(to: header)
    let cost = OpeningCost.beyondOrdinary([header.path])
    #expect(cost == 8 * (2 << 20))
    try Data(repeating: 0x20, count: 5 << 20).write(to: folder.appending(path: "unet/config.json"))
    #expect(OpeningCost.beyondOrdinary([folder.path]) == cost + 32 * (4 << 20))
    // A length that no header may have is refused when it is read.
    var absurd = UInt64.max
    try Data(bytes: &absurd, count: 8).write(to: header)
    #expect(OpeningCost.beyondOrdinary([header.path]) == 0)
  }
}
