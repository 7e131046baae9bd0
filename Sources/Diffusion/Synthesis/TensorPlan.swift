/// A tensor that a model of a given shape must have.
package struct PlannedTensor: Sendable, Equatable {
  /// What the numbers should look like in a random model.
  package enum Role: Sendable, Equatable {
    /// Uniform with the variance 1/fan-in, so that activations keep their size.
    case weight(fanIn: Int)
    /// All ones.
    case scale
    /// All zeros.
    case shift
  }

  package let name: String
  package let shape: [Int]
  package let role: Role
}

/// Collects planned tensors under nested names.
struct TensorPlan {
  private(set) var tensors: [PlannedTensor] = []

  mutating func linear(
    _ name: String, _ inputs: Int, _ outputs: Int, bias: Bool = true, pointwise: Bool = false
  ) {
    let shape = pointwise ? [outputs, inputs, 1, 1] : [outputs, inputs]
    tensors.append(PlannedTensor(name: name + ".weight", shape: shape, role: .weight(fanIn: inputs)))
    if bias { shift(name + ".bias", outputs) }
  }

  mutating func convolution(_ name: String, _ inputs: Int, _ outputs: Int, kernel: Int = 3) {
    tensors.append(
      PlannedTensor(
        name: name + ".weight", shape: [outputs, inputs, kernel, kernel],
        role: .weight(fanIn: inputs * kernel * kernel)))
    shift(name + ".bias", outputs)
  }

  mutating func norm(_ name: String, _ width: Int) {
    tensors.append(PlannedTensor(name: name + ".weight", shape: [width], role: .scale))
    shift(name + ".bias", width)
  }

  mutating func embedding(_ name: String, _ rows: Int, _ width: Int) {
    tensors.append(PlannedTensor(name: name + ".weight", shape: [rows, width], role: .weight(fanIn: width)))
  }

  private mutating func shift(_ name: String, _ width: Int) {
    tensors.append(PlannedTensor(name: name, shape: [width], role: .shift))
  }

  mutating func residual(_ name: String, _ inputs: Int, _ outputs: Int, timeWidth: Int?) {
    norm(name + ".norm1", inputs)
    convolution(name + ".conv1", inputs, outputs)
    if let timeWidth { linear(name + ".time_emb_proj", timeWidth, outputs) }
    norm(name + ".norm2", outputs)
    convolution(name + ".conv2", outputs, outputs)
    if inputs != outputs { convolution(name + ".conv_shortcut", inputs, outputs, kernel: 1) }
  }
}
