import Foundation
import JobStore

/// Bars on a terminal, redrawn in place.
struct BarScreen {
  private var lines = 0

  /// Draws the screen over the last one.
  mutating func draw(_ view: WatchView, now: Date) {
    let columns = Self.columns()
    let text =
      [Self.headline(view, now: now)] + view.waits.map { "waiting for \($0.standing)" }
      + view.batches.map(\.waitLine)
      + view.running.map { Self.line($0, columns: columns, now: now) }
    var output = lines > 0 ? "\u{1B}[\(lines)A\r" : ""
    // Lines are cut, because a line that wraps would be counted as one.
    output += text.map { TerminalText.plain($0, columns: columns - 1) + "\u{1B}[K\n" }.joined()
    output += "\u{1B}[J"
    lines = text.count
    FileHandle.standardOutput.write(Data(output.utf8))
  }

  /// Counts, and the time left for all.
  static func headline(_ view: WatchView, now: Date) -> String {
    let counts = view.counts
    var line = "\(counts.done) of \(counts.total) done"
    for state in [JobState.running, .queued, .failed, .cancelled] where counts[state] > 0 {
      line += ", \(counts[state]) \(state.rawValue)"
    }
    if view.isPaused && counts.queued > 0 { line += " (paused)" }
    if let left = left(view, now: now) { line += "; about \(TerminalText.duration(left)) left" }
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
    let time = left(job, now: now).map { " \(TerminalText.duration($0)) left" } ?? ""
    return "#\(job.id) \(prompt) \(bar) \(job.step)/\(job.steps)\(phase)\(time)"
  }

  /// Seconds that a running job still needs: until the expected end of the images at work, plus all steps of the
  /// images that have not begun.
  static func left(_ job: JobSummary, now: Date) -> Double? {
    guard let end = job.images.compactMap(\.expectedEnd).max() else { return nil }
    let pace = job.images.compactMap(\.secondsPerStep).last ?? 0
    let waiting = job.images.filter { $0.phase == nil }.map(\.steps).boundedSum
    return max(0, Date(milliseconds: end).timeIntervalSince(now)) + Double(waiting) * pace
  }

  /// Seconds until all jobs are finished. Queued jobs are expected to take as long as the running ones.
  private static func left(_ view: WatchView, now: Date) -> Double? {
    let running = view.running.compactMap { job -> (left: Double, whole: Double)? in
      guard let left = left(job, now: now), let start = job.startedAt else { return nil }
      return (left, left + now.timeIntervalSince(Date(milliseconds: start)))
    }
    guard !running.isEmpty else { return nil }
    let workers = Double(running.count)
    let mean = running.reduce(0) { $0 + $1.whole } / workers
    return (running.reduce(0) { $0 + $1.left } + mean * Double(view.counts.queued)) / workers
  }

  private static func columns() -> Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
    return Int(size.ws_col)
  }
}
