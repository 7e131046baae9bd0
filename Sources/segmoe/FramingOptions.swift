import ArgumentParser
import Diffusion

/// SDXL's size conditioning; other models are not told of it.
struct FramingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Size before scaling; without it the size rendered.", valueName: "WxH"))
  var originalSize: PixelSize?

  @Option(help: ArgumentHelp("Pixels cut away at the left and at the top.", valueName: "x,y"))
  var crop = PixelPoint(x: 0, y: 0)

  @Option(help: ArgumentHelp("Size after cutting; without it the size rendered.", valueName: "WxH"))
  var targetSize: PixelSize?

  var framing: Framing {
    var framing = Framing()
    framing.originalSize = originalSize
    framing.crop = crop
    framing.targetSize = targetSize
    return framing
  }
}

extension PixelSize: ExpressibleByArgument {
  /// `1024x768`.
  public init?(argument: String) {
    let numbers = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map {
      Int($0)
    }
    guard numbers.count == 2, let width = numbers[0], let height = numbers[1],
      (1...1_000_000).contains(width), (1...1_000_000).contains(height)
    else { return nil }
    self.init(width: width, height: height)
  }
}

extension PixelPoint: ExpressibleByArgument {
  /// `0,64`.
  public init?(argument: String) {
    let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let x = numbers[0], let y = numbers[1], abs(x) <= 1_000_000, abs(y) <= 1_000_000
    else { return nil }
    self.init(x: x, y: y)
  }

  /// As it is typed.
  public var defaultValueDescription: String { "\(x),\(y)" }
}
