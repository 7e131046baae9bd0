/// Two pixels a cell: the upper half block in the upper one's colour, on the lower one's.
enum HalfBlocks {
  static func text(_ image: RGBImage, hasTrueColor: Bool) -> String {
    var text = ""
    var known: [RGBColor: Int] = [:]
    func code(_ color: RGBColor) -> String {
      if hasTrueColor { return "2;\(color.red);\(color.green);\(color.blue)" }
      let number = known[color] ?? TerminalColors.nearest(to: color)
      known[color] = number
      return "5;\(number)"
    }
    for top in stride(from: 0, to: image.height, by: 2) {
      var last: (upper: RGBColor, lower: RGBColor?)?
      for column in 0..<image.width {
        let upper = image.color(x: column, y: top)
        let lower = top + 1 < image.height ? image.color(x: column, y: top + 1) : nil
        if last?.upper != upper { text += "\u{1B}[38;\(code(upper))m" }
        if let lower, last?.lower != lower { text += "\u{1B}[48;\(code(lower))m" }
        last = (upper, lower)
        text += "▀"
      }
      // What an earlier, wider picture left at the right goes.
      text += "\u{1B}[0m\u{1B}[K\n"
    }
    return text
  }
}
