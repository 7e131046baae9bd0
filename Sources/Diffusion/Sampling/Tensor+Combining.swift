import Tensors

/// a·x + b·y, element by element.
package func combine(_ a: Float, _ x: Tensor, _ b: Float, _ y: Tensor) -> Tensor {
  Tensor(shape: x.shape) { result in
    x.withUnsafe { x in
      y.withUnsafe { y in
        for index in x.indices { result[index] = a * x[index] + b * y[index] }
      }
    }
  }
}

/// A weighted sum of tensors of one shape, added in the order given.
func combine(_ terms: (weight: Float, tensor: Tensor)...) -> Tensor {
  combine(terms)
}

/// A weighted sum of tensors of one shape, added in the order given; at least one.
func combine(_ terms: [(weight: Float, tensor: Tensor)]) -> Tensor {
  Tensor(shape: terms[0].tensor.shape) { result in
    result.initialize(repeating: 0)
    for (weight, tensor) in terms {
      tensor.withUnsafe { x in
        for index in x.indices { result[index] += weight * x[index] }
      }
    }
  }
}

extension Tensor {
  /// Clips every element to ±limit.
  func clipped(_ limit: Float) -> Tensor {
    Tensor(shape: shape) { result in
      withUnsafe { x in for index in x.indices { result[index] = max(-limit, min(limit, x[index])) } }
    }
  }
}
