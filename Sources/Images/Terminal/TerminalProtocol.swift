/// A way in which a terminal shows a picture.
package enum TerminalProtocol: String, CaseIterable, Sendable {
  /// Kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol).
  case kitty
  /// Inline images of iTerm2 (https://iterm2.com/documentation-images.html).
  case iterm2
  /// DEC's Sixel.
  case sixel
  /// Two pixels in a cell, as the colours of a half block. Every terminal with colours has it.
  case blocks
}
