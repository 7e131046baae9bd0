import Foundation
import TestSupport
import Testing

/// A system that refuses small blocks to `segmoe render`: the picture is right, or there is none.
@Suite struct RefusedBlockTests {
  private static let sweeps = 4

  /// Exit codes of renders that end without a picture. In a debug build Swift itself ends the process where one copies
  /// between blocks that overlap.
  #if DEBUG
    private static let refusals: Set<Int32> = [69, -1]
  #else
    private static let refusals: Set<Int32> = [69]
  #endif

  /// Refused blocks share the reserve, so two that are in use at one time spoil each other. Every pair of blocks that
  /// follow each other, from the start of the program to the picture's last byte, is refused in one of the runs.
  @Test(.enabled(if: FaultLibrary.isThere), arguments: 0..<sweeps)
  func noPictureIsWrong(sweep: Int) throws {
    let folder = try TemporaryFolder()
    let render = FaultyRender(in: folder, ["--prompt", "a fox", "--scheduler", "unipc"])
    let wanted = try #require(try render.run([]).picture)
    var refused = 0
    for first in stride(from: 1 + 3 * sweep, to: .max, by: 3 * Self.sweeps) {
      let ending = try render.run(["take:tensor:\(first)-\(first + 3):ENOMEM"])
      if ending.code == 0 {
        #expect(ending.picture == wanted, "refused from block \(first) on")
      } else {
        #expect(ending.picture == nil)
        #expect(Self.refusals.contains(ending.code), "block \(first): \(ending.code) \(ending.errors)")
        refused += 1
      }
      guard ending.wasStruck else { break }
    }
    #expect(refused > 50)
  }
}
