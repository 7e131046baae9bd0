import Foundation
import Images

/// How large the terminal is that standard output is.
struct TerminalWindow {
  let columns: Int
  let rows: Int
  /// Pixels of a cell; nil if the terminal does not say.
  private let cell: (width: Int, height: Int)?

  /// As the terminal says, else as the variables COLUMNS and LINES, else 80 by 24.
  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    var size = winsize()
    let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0
    // A terminal of no size, or a sliver of one, is taken for an unknown one.
    let (wide, tall) = (Int(size.ws_col), Int(size.ws_row))
    columns = isKnown && wide > 20 ? wide : Self.number("COLUMNS", environment) ?? 80
    rows = isKnown && tall > 3 ? tall : Self.number("LINES", environment) ?? 24
    let (width, height) = (Int(size.ws_xpixel) / max(1, wide), Int(size.ws_ypixel) / max(1, tall))
    cell = isKnown && width > 0 && height > 0 ? (width, height) : nil
  }

  private static func number(_ name: String, _ environment: [String: String]) -> Int? {
    environment[name].flatMap { Int($0) }.flatMap { (20...1000).contains($0) ? $0 : nil }
  }

  /// A part of it, at the left.
  /// - Parameters:
  ///   - rows: the most rows.
  ///   - mayEnlarge: whether a small picture fills it.
  func box(rows: Int, mayEnlarge: Bool = false) -> CellBox {
    guard let cell else { return CellBox(columns: columns - 1, rows: rows, mayEnlarge: mayEnlarge) }
    return CellBox(
      columns: columns - 1, rows: rows, cellWidth: cell.width, cellHeight: cell.height, mayEnlarge: mayEnlarge
    )
  }
}
