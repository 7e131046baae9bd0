import Foundation

/// A network of its own, with one cable to this machine that can be pulled out. It ends with its last reference. Needs root and
/// `ip` (iproute2).
package final class NetworkNamespace: Sendable {
  /// Whether one can be made here: a container may forbid it.
  package static let isPossible: Bool = geteuid() == 0 && (try? NetworkNamespace()) != nil

  /// Why tests are skipped where it cannot.
  package static let absence: String =
    "no network namespaces: they need root, iproute2, and the right to make them"

  /// Its name, for `ip netns exec`.
  package let name: String
  /// This machine's end of the cable.
  private let cable: String
  /// This machine's address on the cable.
  package let host: String

  /// `ip` refused, with its words.
  package struct Refused: Error {
    let words: String
  }

  /// - Throws: `Refused`
  package init() throws {
    let number = Int.random(in: 0..<1 << 20)
    name = "segmoe-test-\(number)"
    cable = "sgm\(number)a"
    // A network of four addresses among the private ones.
    let network = "10.\(200 + number % 50).\(number / 50 % 250)"
    host = "\(network).1"
    try Self.ip("netns", "add", name)
    do {
      try Self.ip("link", "add", cable, "type", "veth", "peer", "name", "sgm\(number)b", "netns", name)
      try Self.ip("addr", "add", "\(host)/30", "dev", cable)
      try Self.ip("link", "set", cable, "up")
      try Self.ip("-n", name, "addr", "add", "\(network).2/30", "dev", "sgm\(number)b")
      try Self.ip("-n", name, "link", "set", "sgm\(number)b", "up")
    } catch {
      try? Self.ip("netns", "del", name)
      throw error
    }
  }

  // The cable goes with it.
  deinit { try? Self.ip("netns", "del", name) }

  /// Pulls the cable out, or puts it in again. Nobody at either end is told.
  /// - Throws: `Refused`
  package func setConnected(_ isConnected: Bool) throws {
    try Self.ip("link", "set", cable, isConnected ? "up" : "down")
  }

  private static func ip(_ arguments: String...) throws {
    let outcome = try Outcome(
      of: "/usr/bin/env", ["ip"] + arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
    guard outcome.code == 0 else { throw Refused(words: outcome.errors) }
  }
}
