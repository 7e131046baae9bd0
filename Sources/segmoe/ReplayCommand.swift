import ArgumentParser
import Boundary
import CommandLine
import Configuration
import Foundation
import Requests
import WeightCache

/// Compares cache policies on a recorded render.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay-cache",
    abstract: "Replay a render's uses of weights under other budgets and cache policies.",
    discussion: """
      `segmoe render … --trace FILE` writes a trace. The optimum is what a cache could do that knows the future (Belady).
      """)

  @Argument(help: "The trace.")
  var trace: String

  @Option(
    help: ArgumentHelp(
      "Room for weights, in bytes (4GiB) or as a share of what a denoising step uses (25%, at most 1000%). May be "
        + "repeated (default: 25%, 50%, 75% and 90%).", valueName: "size|share"),
    transform: { try CacheRoom($0) })
  var budget: [CacheRoom] = []

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let replay = CacheReplay(try CacheTrace(contentsOf: trace))
    let rooms = budget.isEmpty ? [25, 50, 75, 90].map(CacheRoom.share) : budget
    let rows = rooms.map { room in Row(replay, room, bytes: room.bytes(of: replay.workingSet)) }
    if json {
      print(try JSONOutput.text(rows))
      return
    }
    print("a step uses \(replay.workingSet) bytes of weights; share of bytes that were there, and of uses")
    print(Row.line(["budget", "optimum"] + CachePolicy.allCases.map(\.rawValue)))
    for row in rows { print(row.line) }
  }

  /// One budget under every policy.
  private struct Row: Encodable {
    struct Result: Encodable {
      let policy: String
      let byteRate: Double
      let hitRate: Double
      let bytesRead: Int
    }

    let budget: Int
    let label: String
    let results: [Result]

    init(_ replay: CacheReplay, _ room: CacheRoom, bytes: Int) {
      budget = bytes
      label = room.label
      let outcomes =
        [("optimum", replay.optimum(budget: bytes))]
        + CachePolicy.allCases.map { ($0.rawValue, replay.run($0, budget: bytes)) }
      results = outcomes.map {
        Result(policy: $0, byteRate: $1.byteRate, hitRate: $1.hitRate, bytesRead: $1.bytesRead)
      }
    }

    var line: String {
      Self.line(
        [label]
          + results.map {
            String(format: "%.1f%% (%.1f%%)", 100 * $0.byteRate, 100 * $0.hitRate)
          })
    }

    static func line(_ columns: [String]) -> String {
      columns.map { $0.padding(toLength: 20, withPad: " ", startingAt: 0) }.joined()
    }
  }
}

/// Room for weights: a size, or a share of what a step uses.
enum CacheRoom {
  case size(Int)
  /// Percent.
  case share(Double)

  /// - Throws: `ValidationError` with what is allowed. The argument parser adds the option and the value.
  init(_ text: String) throws {
    if text.hasSuffix("%"), let share = Double(text.dropLast()), share > 0, share <= 1000 {
      self = .share(share)
    } else if let size = ByteCount(text: text), size.bytes > 0 {
      self = .size(size.bytes)
    } else {
      throw ValidationError("use a size like 4GiB, or a share above 0% and up to 1000%")
    }
  }

  /// The room in bytes. It cannot overflow: the largest share is ten times `CacheTrace.mostBytes`.
  func bytes(of workingSet: Int) -> Int {
    switch self {
    case .size(let bytes): bytes
    case .share(let percent): Int(Double(workingSet) * percent / 100)
    }
  }

  var label: String {
    switch self {
    case .size(let bytes): "\(bytes)"
    case .share(let percent): String(format: "%g%%", percent)
    }
  }
}

extension CacheTrace {
  /// Reads a file of JSON lines, as `lines` makes it.
  /// - Throws: `Problem` for a file that is missing or is no trace.
  init(contentsOf path: String) throws {
    let bytes: [UInt8]
    do {
      bytes = try FileBytes.read(path, limit: 1 << 30)
    } catch {
      throw Problem.missing("cannot read the trace \(path)")
    }
    do {
      try self.init(lines: Data(bytes), path: path)
    } catch {
      throw Problem.badInput("\(error)")
    }
  }

  /// The trace with one JSON object per line.
  func lines() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var data = Data()
    for use in uses {
      data += try encoder.encode(use)
      data.append(UInt8(ascii: "\n"))
    }
    return Array(data)
  }
}
