import CommandLine
import JobStore
import Requests

extension RenderRequest {
  /// What is said in the request and changes nothing.
  /// - Parameter known: the models that the queue knows, with their kinds.
  func notices(_ known: KnownModels) -> [String] {
    idleSettings(with: ModelTraits(isXL: known[model]?.kind.map { $0.hasSuffix("sdxl") })).map(\.notice)
  }
}
