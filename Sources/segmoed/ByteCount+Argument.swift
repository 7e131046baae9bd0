import ArgumentParser
import Configuration

extension ByteCount: ExpressibleByArgument {
  /// A size on the command line.
  public init?(argument: String) { self.init(argument) }
}
