import Synchronization

/// Records the tensors that a network asks for while it is built: the list of what its files must hold.
///
/// `Weights(recording:)` has no tensors. It answers every request with a meta tensor of the requested shape, and
/// records name and shape.
package final class WeightRecorder: Sendable {
  /// A requested tensor.
  package struct Request: Sendable, Equatable {
    /// The full name.
    package let name: String
    package let shape: [Int]

    package init(name: String, shape: [Int]) {
      self.name = name
      self.shape = shape
    }
  }

  private struct State {
    var requests: [Request] = []
    var names: Set<String> = []
  }

  private let state = Mutex(State())

  package init() {}

  /// The requested tensors, each name once, in the order of the first request.
  package var requests: [Request] { state.withLock { $0.requests } }

  func note(_ name: String, shape: [Int]) {
    state.withLock {
      if $0.names.insert(name).inserted { $0.requests.append(Request(name: name, shape: shape)) }
    }
  }
}
