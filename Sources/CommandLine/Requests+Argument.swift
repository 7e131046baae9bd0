import ArgumentParser
import Requests

extension ByteCount: ExpressibleByArgument {
  /// A size on the command line.
  public init?(argument: String) { self.init(text: argument) }
}

extension PixelSize: ExpressibleByArgument {
  /// `512x768`.
  public init?(argument: String) {
    self.init(text: argument)
    guard width > 0, height > 0 else { return nil }
  }
}
