/// What SDXL is told of how a training picture would have been cut; other models are not told of it. As on the
/// command line of `segmoe render`, and as text ("1024x768", "0,64") in the database and in JSON.
package struct FramingSettings: Sendable, Equatable, Codable {
  /// Pixels of the picture before scaling; nil: the size rendered.
  package var originalSize: PixelDimensions?
  /// Pixels cut away at the left and at the top; nil: none.
  package var crop: PixelOffset?
  /// Pixels after cutting; nil: the size rendered.
  package var targetSize: PixelDimensions?

  /// Nothing cut, the size rendered.
  package init() {}

  enum CodingKeys: String, CodingKey {
    case originalSize = "original_size"
    case crop
    case targetSize = "target_size"
  }

  /// - Throws: `JobStoreError.invalidSetting`
  package func validate() throws {
    for (name, size) in [("original_size", originalSize), ("target_size", targetSize)] {
      guard let size else { continue }
      guard size.isInRange else { throw Self.failure(name, size, PixelDimensions.rule) }
    }
    if let crop, !crop.isInRange { throw Self.failure("crop", crop, PixelOffset.rule) }
  }

  private static func failure(_ name: String, _ value: some Any, _ rule: String) -> JobStoreError {
    .invalidSetting(name: name, value: "\(value)", rule: rule)
  }
}

/// A value that JSON and the database hold as its text.
package protocol PixelText: LosslessStringConvertible, Codable, Sendable, Equatable {
  /// How it is written, for a person.
  static var rule: String { get }
}

extension PixelText {
  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let value = Self(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: Self.rule)
    }
    self = value
  }

  /// - Throws: `EncodingError`
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }

  /// Both numbers of a text such as "1024x768"; nil if it is another.
  fileprivate static func numbers(_ text: String, separator: Character) -> (Int, Int)? {
    let numbers = text.split(separator: separator, omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let first = numbers[0], let second = numbers[1] else { return nil }
    return (first, second)
  }
}

/// A size in pixels: "1024x768".
package struct PixelDimensions: PixelText {
  package var width: Int
  package var height: Int

  package init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  package init?(_ text: String) {
    guard let (width, height) = Self.numbers(text.lowercased(), separator: "x") else { return nil }
    self.init(width: width, height: height)
    guard isInRange else { return nil }
  }

  package var description: String { "\(width)x\(height)" }
  package static var rule: String { "use WxH with 1 to 1000000 pixels each, such as 1024x768" }
  var isInRange: Bool { (1...1_000_000).contains(width) && (1...1_000_000).contains(height) }
}

/// Pixels from the left and from the top: "0,64".
package struct PixelOffset: PixelText {
  package var x: Int
  package var y: Int

  package init(x: Int, y: Int) {
    self.x = x
    self.y = y
  }

  package init?(_ text: String) {
    guard let (x, y) = Self.numbers(text, separator: ",") else { return nil }
    self.init(x: x, y: y)
    guard isInRange else { return nil }
  }

  package var description: String { "\(x),\(y)" }
  package static var rule: String { "use x,y with -1000000 to 1000000 pixels each, such as 0,64" }
  var isInRange: Bool {
    (-1_000_000...1_000_000).contains(x) && (-1_000_000...1_000_000).contains(y)
  }
}
