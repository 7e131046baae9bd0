import Foundation
import Images
import JobStore

/// Small pictures of what is at work, to be shown below its bars.
struct WatchPreviews {
  private let ability: TerminalAbility
  /// The pictures that were made of the newest previews, by job.
  private var known: [Int64: Known] = [:]

  private struct Known {
    let number: Int
    let step: Int
    let madeAt: Milliseconds
    let box: CellBox
    /// nil: the preview is damaged.
    let picture: TerminalPicture?

    func isOf(_ preview: Preview, in box: CellBox) -> Bool {
      (number, step, madeAt) == (preview.number, preview.step, preview.madeAt) && self.box == box
    }
  }

  private static let mostRows = 12
  /// Nothing can be seen on fewer.
  private static let leastRows = 3

  /// What a daemon makes is far smaller. Whoever can write the queue may have put anything there.
  private static let limits = PNGLimits(
    side: 1024, pixels: 1 << 20, fileBytes: Preview.longest, textChunks: 1, textBytes: 1)

  /// - Parameter ability: of the terminal.
  init(_ ability: TerminalAbility) { self.ability = ability }

  /// The newest picture of each running job; none for a job without one, or with a damaged one.
  /// - Parameters:
  ///   - jobs: the numbers of those that run.
  ///   - store: the queue.
  ///   - window: the terminal.
  ///   - lines: of the terminal, that the bars take.
  /// - Throws: `JobStoreError`
  mutating func pictures(
    of jobs: [Int64], in store: any JobQueue, window: TerminalWindow, lines: Int
  ) throws -> [Int64: TerminalPicture] {
    let newest = try newest(jobs, store)
    // The last line is the cursor's.
    let rows = min(Self.mostRows, (window.rows - lines - 1) / max(1, newest.count))
    guard rows >= Self.leastRows else { return [:] }
    let box = window.box(rows: rows, mayEnlarge: true)
    known = known.filter { newest[$0.key] != nil }
    for preview in newest.values {
      if let known = known[preview.job], known.isOf(preview, in: box) { continue }
      known[preview.job] = Known(
        number: preview.number, step: preview.step, madeAt: preview.madeAt, box: box,
        picture: picture(preview, in: box))
    }
    return known.compactMapValues(\.picture)
  }

  private func newest(_ jobs: [Int64], _ store: any JobQueue) throws -> [Int64: Preview] {
    guard !jobs.isEmpty else { return [:] }
    do {
      return Dictionary(try store.previews(jobs: jobs).map { ($0.job, $0) }) { first, other in
        (first.madeAt, first.number) < (other.madeAt, other.number) ? other : first
      }
    } catch JobStoreError.damagedRow {
      // A row that no daemon wrote is no picture. It must not hide the bars.
      return [:]
    }
  }

  private func picture(_ preview: Preview, in box: CellBox) -> TerminalPicture? {
    guard let image = try? PNGFile.decode(preview.png, limits: Self.limits).image else { return nil }
    return try? TerminalPicture(
      image, in: box, by: ability.way, hasTrueColor: ability.hasTrueColor, name: Self.name(preview.job))
  }

  /// The number that a terminal knows a job's picture by: one that other programs hardly use.
  private static func name(_ job: Int64) -> UInt32 { 0x5E60_0000 | UInt32(truncatingIfNeeded: job) & 0xFFFF }

  /// Takes the picture of a job away that text would not cover.
  func erasure(ofJob job: Int64) -> String { TerminalPicture.erasure(of: Self.name(job), by: ability.way) }
}
