import Foundation
import HTTP
import Hub
import Requests
import TestSupport
import Testing

/// Pulls that break off again and again, in every way, by chance. `SEGMOE_TEST_BREAKS` says how many breaks,
/// `SEGMOE_TEST_SEED` which.
@Suite(.serialized)
struct RandomBreakTests {
  private static let breaks =
    ProcessInfo.processInfo.environment["SEGMOE_TEST_BREAKS"].flatMap { Int($0) } ?? 60

  private static let seed =
    ProcessInfo.processInfo.environment["SEGMOE_TEST_SEED"].flatMap { UInt64($0) } ?? 2026

  /// Something that goes wrong with an answer of storage.
  private static func fault(_ chance: inout RandomNumbers)
    -> @Sendable (inout CannedAnswer) -> Void
  {
    let share = Double.random(in: 0..<1, using: &chance)
    let kind = Int.random(in: 0..<8, using: &chance)
    return { answer in
      let place = Int(Double(answer.body.count) * share)
      switch kind {
      case 0, 1: answer.cutAfter = place
      case 2: (answer.cutAfter, answer.isReset) = (place, true)
      case 3: if !answer.body.isEmpty { answer.body[place] ^= 0x40 }
      case 4: answer = CannedAnswer(status: 502)
      case 5: answer.isLost = true
      case 6: answer = CannedAnswer(status: 403)
      default: answer.body = Array(answer.body.prefix(place))
      }
    }
  }

  /// Names of blobs whose bytes are not what the name says.
  private static func wrongBlobs(_ house: PullHouse, _ id: String) throws -> [String] {
    let folder = "\(house.cache)/models--\(id.replacing("/", with: "--"))/blobs"
    return try house.blobs(id).filter { name in
      guard !name.hasSuffix(".incomplete") else { return false }
      let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
      return name != (name.utf8.count == 64 ? TestHub.hash(bytes) : TestHub.gitHash(bytes))
    }
  }

  @Test func theBytesAreRightAfterAnyBreaks() throws {
    let house = try PullHouse()
    var chance = RandomNumbers(seed: Self.seed)
    var (planted, round) = (0, 0)
    while planted < Self.breaks {
      round += 1
      let id = "a/model-\(round)"
      let files = PullHouse.model(bytes: Int.random(in: 1000...300_000, using: &chance))
      house.hub.publish(id, files)
      for _ in 0..<Int.random(in: 2...9, using: &chance) {
        let number = Int.random(in: 0...2, using: &chance)
        house.hub.plant(
          on: { $0.server == "storage" && $0.target.utf8.count % 3 >= number % 2 }, Self.fault(&chance))
        planted += 1
      }
      var pulled: PulledModel?
      for _ in 0..<20 where pulled == nil {
        let stop = StopFlag()
        if Bool.random(using: &chance) {
          let delay = Double.random(in: 0...0.02, using: &chance)
          Thread {
            Thread.sleep(forTimeInterval: delay)
            stop.set()
          }.start()
        }
        let source = try ModelSource(id) { _ in false }
        pulled = try? house.puller(["HF_TOKEN": TestHub.token], stop: stop).pull(source, for: .model)
        #expect(try Self.wrongBlobs(house, id) == [])
      }
      let path = try #require(pulled, "round \(round) never ended").path
      let weights = files.keys.filter { $0.hasSuffix(".safetensors") }
      #expect(try house.content(of: path, weights) == files.filter { weights.contains($0.key) })
      house.hub.state.withLock { $0.faults = [] }
    }
    #expect(house.leaks.isEmpty)
  }
}
