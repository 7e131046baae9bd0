import CommandLine
import JobStore
import Requests

extension RenderRequest {
  /// What is said in the request and changes nothing.
  /// - Parameter models: those that the queue knows, with their kinds.
  func notices(_ models: [ModelRecord]) -> [String] {
    let kind = models.first { $0.name == model || $0.path == model }?.kind
    return idleSettings(isXL: kind.map { $0.hasSuffix("sdxl") }).map(\.notice)
  }
}
