/// The colours 16 to 255 of xterm and its relatives: a cube of 6×6×6, then 24 greys. What is below 16, a person may
/// have changed.
enum TerminalColors {
  /// The number of the colour that is most like a colour.
  static func nearest(to color: RGBColor) -> Int {
    let levels = [color.red, color.green, color.blue].map(nearestLevel)
    let inCube = RGBColor(cube[levels[0]], cube[levels[1]], cube[levels[2]])
    let mean = (Int(color.red) + Int(color.green) + Int(color.blue)) / 3
    let grey = min(23, max(0, (mean - 3) / 10))
    let level = UInt8(8 + 10 * grey)
    return RGBColor(level, level, level).distance(to: color) < inCube.distance(to: color)
      ? 232 + grey : 16 + 36 * levels[0] + 6 * levels[1] + levels[2]
  }

  private static let cube: [UInt8] = [0, 95, 135, 175, 215, 255]

  private static func nearestLevel(_ value: UInt8) -> Int {
    cube.indices.min { abs(Int(cube[$0]) - Int(value)) < abs(Int(cube[$1]) - Int(value)) } ?? 0
  }
}
