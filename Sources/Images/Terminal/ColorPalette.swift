/// A few colours for a picture of many.
struct ColorPalette {
  /// The colours, at least one.
  let colors: [RGBColor]
  /// The number of the colour for each of the 32³ that are told apart; or for each colour, if there are few.
  private let places: [RGBColor: Int]
  private let isExact: Bool

  /// Every colour itself if there are few enough, else by median cut (Heckbert, 1982): the box with the widest side is
  /// cut where half of its pixels lie on each side.
  /// - Parameters:
  ///   - image: the picture.
  ///   - most: as many colours at most, at least 1.
  init(of image: RGBImage, most: Int) {
    var exact: [RGBColor: Int] = [:]
    var coarse: [RGBColor: Int] = [:]
    for row in 0..<image.height {
      for column in 0..<image.width {
        let color = image.color(x: column, y: row)
        if exact.count <= most { exact[color, default: 0] += 1 }
        coarse[Self.coarse(color), default: 0] += 1
      }
    }
    isExact = exact.count <= most
    if isExact {
      colors = exact.keys.sorted(by: Self.isBefore)
      places = Dictionary(uniqueKeysWithValues: colors.enumerated().map { ($1, $0) })
      return
    }
    var boxes = [coarse.sorted { Self.isBefore($0.key, $1.key) }.map { (color: $0.key, count: $0.value) }]
    while boxes.count < most {
      let spreads = boxes.map(Self.spread)
      guard let widest = spreads.indices.max(by: { spreads[$0].range < spreads[$1].range }),
        spreads[widest].range > 0
      else { break }
      let channel = spreads[widest].channel
      // The order of equals is that of the colours, so that the same picture gives the same text.
      let box = boxes[widest].sorted {
        ($0.color[keyPath: channel], 0) == ($1.color[keyPath: channel], 0)
          ? Self.isBefore($0.color, $1.color) : $0.color[keyPath: channel] < $1.color[keyPath: channel]
      }
      let half = box.reduce(0) { $0 + $1.count } / 2
      var (cut, sum) = (0, 0)
      while cut < box.count - 1, cut == 0 || sum + box[cut].count <= half {
        sum += box[cut].count
        cut += 1
      }
      boxes[widest] = Array(box[..<cut])
      boxes.append(Array(box[cut...]))
    }
    colors = boxes.map(Self.mean)
    var places: [RGBColor: Int] = [:]
    for (index, box) in boxes.enumerated() {
      for entry in box { places[entry.color] = index }
    }
    self.places = places
  }

  /// The number of the colour that a colour of the picture gets.
  func index(of color: RGBColor) -> Int { places[isExact ? color : Self.coarse(color)] ?? 0 }

  /// The middle of the colours that share their five upper bits.
  private static func coarse(_ color: RGBColor) -> RGBColor {
    RGBColor(color.red & 0xF8 | 4, color.green & 0xF8 | 4, color.blue & 0xF8 | 4)
  }

  private static func isBefore(_ a: RGBColor, _ b: RGBColor) -> Bool {
    (a.red, a.green, a.blue) < (b.red, b.green, b.blue)
  }

  private typealias Box = [(color: RGBColor, count: Int)]

  private static func spread(_ box: Box) -> (range: Int, channel: KeyPath<RGBColor, UInt8>) {
    var widest: (range: Int, channel: KeyPath<RGBColor, UInt8>) = (-1, \.green)
    for channel in [\RGBColor.green, \.red, \.blue] {
      let values = box.map { Int($0.color[keyPath: channel]) }
      let range = (values.max() ?? 0) - (values.min() ?? 0)
      if range > widest.range { widest = (range, channel) }
    }
    return widest
  }

  private static func mean(_ box: Box) -> RGBColor {
    let count = max(1, box.reduce(0) { $0 + $1.count })
    func mean(_ channel: KeyPath<RGBColor, UInt8>) -> UInt8 {
      UInt8(clamping: (box.reduce(0) { $0 + Int($1.color[keyPath: channel]) * $1.count } + count / 2) / count)
    }
    return RGBColor(mean(\.red), mean(\.green), mean(\.blue))
  }
}
