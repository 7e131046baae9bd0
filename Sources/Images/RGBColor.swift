/// A colour of 8-bit red, green and blue.
package struct RGBColor: Sendable, Hashable {
  package var red: UInt8
  package var green: UInt8
  package var blue: UInt8

  package init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  static let black = RGBColor(0, 0, 0)

  /// How far another colour is: the squared distance of the three values.
  func distance(to other: RGBColor) -> Int {
    func squared(_ a: UInt8, _ b: UInt8) -> Int { (Int(a) - Int(b)) * (Int(a) - Int(b)) }
    return squared(red, other.red) + squared(green, other.green) + squared(blue, other.blue)
  }
}
