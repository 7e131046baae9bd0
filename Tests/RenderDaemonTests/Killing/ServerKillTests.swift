import Foundation
import JobStore
import TestSupport
import Testing

/// Everything around a queue on a server, killed over and over. Then everything must add up.
///
/// `SEGMOE_SERVER_KILLS` says how often (`make torture-server`: 1,000), `SEGMOE_KILL_SEED` repeats a run's choices. With
/// `SEGMOE_KILL_JOURNAL`, the path of a file, a run that was interrupted goes on where it was.
@Suite(.serialized, .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ServerKillTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let kills = environment["SEGMOE_SERVER_KILLS"].flatMap { Int($0) } ?? 25
  /// Before everything is compared; then another server.
  private static let killsPerRound = 50

  @Test func nothingIsLostDoneTwiceOrLeftHalfWritten() throws {
    if !PostgresBouncer.isInstalled {
      print("server kill harness: \(PostgresBouncer.absence): no pooler is killed")
    }
    if !NetworkNamespace.isPossible {
      print("server kill harness: \(NetworkNamespace.absence): no cable is pulled")
    }
    var journal = KillJournal(path: Self.environment["SEGMOE_KILL_JOURNAL"], wanted: Self.kills)
    let seed = Self.environment["SEGMOE_KILL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1 << 40)
    let reference = try PictureReference()
    while journal.kills < Self.kills {
      let round = try ServerKillRound(seed: seed &+ UInt64(journal.rounds))
      try round.run(kills: min(Self.killsPerRound, Self.kills - journal.kills))
      let account = try ServerAccount.expectInOrder(
        round, reference: reference, "seed \(seed), round \(journal.rounds); \(round.house.words.suffix(600))"
      )
      #expect(account.counts.done > 0)
      try journal.add(round.kills, jobs: account.counts.total, pictures: account.pictures)
    }
    print("server kill harness, seed \(seed): \(journal.words), all in order")
  }
}

/// What has been killed so far, in a file that outlasts the tests' process.
private struct KillJournal {
  private let path: String?
  private(set) var rounds = 0
  private var sums: [String: Int] = [:]

  /// - Parameters:
  ///   - path: of the file; nil: only in memory.
  ///   - wanted: how many kills. A file that has so many is of a run that has ended: it begins anew.
  init(path: String?, wanted: Int) {
    self.path = path
    guard let path, let text = try? String(contentsOfFile: path, encoding: .utf8) else { return }
    for line in text.split(separator: "\n") {
      rounds += 1
      for field in line.split(separator: " ") {
        let pair = field.split(separator: "=")
        guard pair.count == 2, let number = Int(pair[1]) else { continue }
        sums[String(pair[0]), default: 0] += number
      }
    }
    guard kills >= wanted else { return }
    try? FileManager.default.removeItem(atPath: path)
    (rounds, sums) = (0, [:])
  }

  var kills: Int { ServerKill.allCases.reduce(0) { $0 + (sums[$1.rawValue] ?? 0) } }

  var words: String {
    let each = ServerKill.allCases.map { "\($0.rawValue) \(sums[$0.rawValue] ?? 0)" }.joined(separator: ", ")
    return
      "\(kills) kills in \(rounds) rounds (\(each)): \(sums["jobs"] ?? 0) jobs, \(sums["pictures"] ?? 0) pictures"
  }

  /// Adds a round that is in order.
  mutating func add(_ kills: [ServerKill: Int], jobs: Int, pictures: Int) throws {
    var round = ["jobs": jobs, "pictures": pictures]
    for (kill, count) in kills { round[kill.rawValue] = count }
    rounds += 1
    sums.merge(round, uniquingKeysWith: +)
    guard let path else { return }
    if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(fileURLWithPath: path)) }
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try file.seekToEnd()
    let line = round.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    try file.write(contentsOf: Data((line + "\n").utf8))
    try file.close()
  }
}
