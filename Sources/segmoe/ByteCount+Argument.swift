import ArgumentParser
import Configuration

extension ByteCount: @retroactive ExpressibleByArgument {
  /// A size on the command line.
  public init?(argument: String) { self.init(argument) }
}
