import Foundation
import JobStore

/// Bars on a terminal, redrawn in place.
struct BarScreen {
  private var lines = 0

  /// Draws the screen over the last one.
  mutating func draw(_ view: WatchView, now: Date) {
    let columns = Self.columns()
    let text =
      [Self.headline(view)] + view.waits.map { "waiting for \($0.standing)" }
      + view.running.map { Self.line($0, columns: columns, now: now) }
    var output = lines > 0 ? "\u{1B}[\(lines)A\r" : ""
    // Lines are cut, because a line that wraps would be counted as one.
    output += text.map { TerminalText.plain($0, columns: columns - 1) + "\u{1B}[K\n" }.joined()
    output += "\u{1B}[J"
    lines = text.count
    FileHandle.standardOutput.write(Data(output.utf8))
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

  private static func columns() -> Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
    return Int(size.ws_col)
  }
}
