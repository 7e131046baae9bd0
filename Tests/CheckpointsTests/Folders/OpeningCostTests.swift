import Checkpoints
import Foundation
import TestSupport
import Testing

/// What files take to open is known before they are parsed.
@Suite struct OpeningCostTests {
  @Test func ordinaryFilesCostNothing() throws {
    let folder = try TemporaryFolder()
    try folder.write("unet/model.safetensors", safetensors(headerBytes: 1 << 20))
    try folder.write("unet/config.json", "{}")
    #expect(OpeningCost.beyondOrdinary([folder.path]) == 0)
    #expect(OpeningCost.beyondOrdinary([folder.path + "/none", "/dev/null"]) == 0)
  }

  @Test func largeHeadersAndConfigurationsCount() throws {
    let folder = try TemporaryFolder()
    let header = try folder.write("unet/model.safetensors", safetensors(headerBytes: 6 << 20))
    let cost = OpeningCost.beyondOrdinary([header])
    #expect(cost == 8 * (2 << 20))
    try folder.write("unet/config.json", String(repeating: " ", count: 5 << 20))
    #expect(OpeningCost.beyondOrdinary([folder.path]) == cost + 32 * (4 << 20))
    // A length that no header may have is refused when it is read.
    try folder.write("unet/model.safetensors", [UInt8](repeating: 0xFF, count: 8))
    #expect(OpeningCost.beyondOrdinary([header]) == 0)
  }
}
