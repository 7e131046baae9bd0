/// A size in pixels: `1024x768`.
package struct PixelSize: Sendable, Equatable {
  package var width: Int
  package var height: Int

  package init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }
}

/// A position in pixels from the upper left corner: `0,64`.
package struct PixelPoint: Sendable, Equatable {
  package var x: Int
  package var y: Int

  package init(x: Int, y: Int) {
    self.x = x
    self.y = y
  }
}

extension PixelSize: TextForm {
  package init?(text: String) {
    guard let (width, height) = twoNumbers(text.lowercased(), separator: "x") else { return nil }
    self.init(width: width, height: height)
  }

  package var text: String { "\(width)x\(height)" }

  /// Whether it can be the size of a training picture.
  var isInRange: Bool { (1...1_000_000).contains(width) && (1...1_000_000).contains(height) }
  static let rule = "use WxH with 1 to 1000000 pixels each, such as 1024x768"
}

extension PixelPoint: TextForm {
  package init?(text: String) {
    guard let (x, y) = twoNumbers(text, separator: ",") else { return nil }
    self.init(x: x, y: y)
  }

  package var text: String { "\(x),\(y)" }

  /// Whether a training picture can have been cropped there.
  var isInRange: Bool {
    (-1_000_000...1_000_000).contains(x) && (-1_000_000...1_000_000).contains(y)
  }
  static let rule = "use x,y with -1000000 to 1000000 pixels each, such as 0,64"
}

/// Both numbers of a text such as `1024x768`; nil for any other text.
private func twoNumbers(_ text: String, separator: Character) -> (Int, Int)? {
  let numbers = text.split(separator: separator, omittingEmptySubsequences: false).map { Int($0) }
  guard numbers.count == 2, let first = numbers[0], let second = numbers[1] else { return nil }
  return (first, second)
}
