import Synchronization

/// Notes which tensors a network asks for while it is built: the list of what its files must hold.
///
/// `Weights(recording:)` holds no tensors. It answers every request with a tensor of the shape asked for, without
/// elements, and notes name and shape.
package final class WeightRecorder: Sendable {
  /// A tensor that was asked for.
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

  /// What was asked for so far, each name once, in the order in which it was first asked for.
  package var requests: [Request] { state.withLock { $0.requests } }

  func note(_ name: String, shape: [Int]) {
    state.withLock {
      if $0.names.insert(name).inserted { $0.requests.append(Request(name: name, shape: shape)) }
    }
  }
}
