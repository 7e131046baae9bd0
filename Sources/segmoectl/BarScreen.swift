import Foundation
import JobStore

/// Bars on a terminal, redrawn in place.
struct BarScreen {
  private var lines = 0
  /// nil: no pictures are shown.
  private var previews: WatchPreviews?
  /// The jobs whose pictures are on the screen.
  private var pictured: [Int64] = []

  /// - Parameter previews: makes the pictures below the bars; nil: there are none.
  init(previews: WatchPreviews?) { self.previews = previews }

  /// Draws the screen over the last one.
  /// - Throws: `JobStoreError`
  mutating func draw(_ view: WatchView, from store: any JobQueue, now: Date) throws {
    let window = TerminalWindow()
    let heads =
      [Self.headline(view)] + view.waits.map { "waiting for \($0.standing)" }
      + view.batches.map(\.waitLine) + view.sharded.map(\.shardsLine)
      + view.running.compactMap { job in
        job.writingWait.map { "job \(job.id) waits to write its picture: \($0)" }
      }
    let pictures =
      try previews?.pictures(
        of: view.running.map(\.id), in: store, window: window, lines: heads.count + view.running.count) ?? [:]
    var output = lines > 0 ? "\u{1B}[\(lines)A\r" : ""
    if let previews { output += pictured.map(previews.erasure).joined() }
    output += heads.map { Self.whole($0, window) }.joined()
    lines = heads.count + view.running.count
    for job in view.running {
      output += Self.whole(Self.line(job, columns: window.columns, now: now), window)
      guard let picture = pictures[job.id] else { continue }
      output += picture.text
      lines += picture.rows
    }
    output += "\u{1B}[J"
    pictured = view.running.map(\.id).filter { pictures[$0] != nil }
    FileHandle.standardOutput.write(Data(output.utf8))
  }

  /// A line is cut, because one that wraps would be counted as one.
  private static func whole(_ text: String, _ window: TerminalWindow) -> String {
    TerminalText.plain(text, columns: window.columns - 1) + "\u{1B}[K\n"
  }

  /// Counts, and the time left for all.
  static func headline(_ view: WatchView) -> String {
    let counts = view.counts
    guard counts.total > 0 else { return "no job is waiting or running" }
    var line = "\(counts.done) of \(counts.total) done"
    for state in [JobState.running, .queued, .failed, .cancelled] where counts[state] > 0 {
      line += ", \(counts[state]) \(state.rawValue)"
    }
    if view.isPaused && counts.queued > 0 { line += " (paused)" }
    if let left = view.secondsLeft { line += "; about \(TerminalText.duration(left)) left" }
    return line
  }

  static func line(_ job: JobSummary, columns: Int, now: Date) -> String {
    let wide = columns >= 70
    let prompt = TerminalText.padded(
      TerminalText.plain(job.prompt, columns: wide ? columns - 52 : 16), columns: wide ? columns - 52 : 16)
    let share = job.steps > 0 ? Double(job.step) / Double(job.steps) : 0
    let bar = TerminalText.bar(share, columns: wide ? 20 : 8)
    let active = job.images.first { $0.phase != nil && $0.phase != .done }?.phase
    let phase = active == .denoising || active == nil ? "" : " \(active?.rawValue ?? "")"
    let time = job.secondsLeft(now: now).map { " \(TerminalText.duration($0)) left" } ?? ""
    return "#\(job.id) \(prompt) \(bar) \(job.step)/\(job.steps)\(phase)\(time)"
  }
}
