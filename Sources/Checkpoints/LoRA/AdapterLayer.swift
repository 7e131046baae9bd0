import Tensors

/// The tensors that a LoRA file has for one layer, not yet read.
struct AdapterLayer: Sendable {
  let path: String
  /// The layer as the file names it, for messages.
  let name: String
  var factors: [LoRAKey.Factor: StoredTensor] = [:]

  /// More than any real file's; it bounds what expanding a factored convolution costs.
  private static let largestRank = 4096
  private static let largestAxis = 1 << 24

  /// The change for a weight of shape `shape`. `alpha` counts if the file has no alpha for the layer;
  /// nil means alpha = rank. Errors: `malformed` if factors are missing or do not fit each other,
  /// `wrongShape` if they do not fit the weight, and those of reading.
  func delta(
    for shape: [Int], weightName: String, weight: Float, alpha: LoRAAlpha
  ) throws -> AdapterDelta {
    for stored in factors.values {
      guard stored.shape.allSatisfy({ (1...Self.largestAxis).contains($0) }) else {
        throw fault("an axis is 0 or huge")
      }
    }
    guard let rows = shape.first, rows > 0, shape.count >= 2 else {
      throw fault("the model's weight is no matrix or convolution")
    }
    let target = [rows, shape.dropFirst().reduce(1, *)]
    let (form, rank) = try form(for: target, kernel: shape.dropFirst(2).reduce(1, *))
    let scale = try weight * self.scale(rank: rank, alpha: alpha)
    let delta = AdapterDelta(form: form, scale: scale)
    guard [delta.rows, delta.columns] == target else {
      throw CheckpointError.wrongShape(
        name: "\(name) (for \(weightName))", path: path, expected: target, found: [delta.rows, delta.columns])
    }
    return delta
  }

  func fault(_ reason: String) -> CheckpointError {
    .malformed(path: path, reason: "LoRA layer '\(name)': \(reason)")
  }

  private func scale(rank: Int?, alpha: LoRAAlpha) throws -> Float {
    // A LoKr of two whole factors has no rank, and its alpha no meaning.
    guard let rank else { return 1 }
    if let stored = factors[.alpha] {
      guard stored.count == 1, let value = try stored.read().values.first, value.isFinite else {
        throw fault("alpha is not one number")
      }
      return value / Float(rank)
    }
    return alpha.scale(rank: rank)
  }

  // MARK: Forms

  private func form(for target: [Int], kernel: Int) throws -> (AdapterDelta.Form, rank: Int?) {
    if has(.hadaW1A) {
      let first = try hadamardPair(.hadaW1A, .hadaW1B, core: .hadaT1, target: target)
      let second = try hadamardPair(.hadaW2A, .hadaW2B, core: .hadaT2, target: target)
      return (.hadamard(first, second), first.rank)
    }
    if has(.lokrW1) || has(.lokrW1A) { return try kronecker(kernel: kernel, target: target) }
    let up = try matrix(.up)
    if has(.mid) {
      // up [out, p], mid [p, q, h, w], down [q, in]
      let down = try expanded(core: .mid, by: matrix(.down), target: target)
      return (.lowRank(try pair(up, down, target: target)), down.shape[0])
    }
    let down = try matrix(.down)
    return (.lowRank(try pair(up, down, target: target)), down.shape[0])
  }

  /// LyCORIS: w1_a [out, rank], w1_b [rank, rest]; with a core t1 [p, q, h, w], a is [p, out] and b [q, in].
  private func hadamardPair(
    _ a: LoRAKey.Factor, _ b: LoRAKey.Factor, core: LoRAKey.Factor, target: [Int]
  ) throws -> AdapterDelta.LowRank {
    guard has(core) else { return try pair(matrix(a), matrix(b), target: target) }
    return try pair(
      Self.transposed(matrix(a)), expanded(core: core, by: matrix(b), target: target), target: target)
  }

  private func kronecker(kernel: Int, target: [Int]) throws -> (AdapterDelta.Form, rank: Int?) {
    let whole = [target[0], target[1]]
    var rank: Int?
    let outer: Tensor
    if has(.lokrW1) {
      outer = try matrix(.lokrW1)
    } else {
      let (a, b) = (try matrix(.lokrW1A), try matrix(.lokrW1B))
      rank = b.shape[0]
      outer = try product(a, b, target: whole)
    }
    let inner: Tensor
    if has(.lokrW2) {
      inner = try matrix(.lokrW2)
    } else {
      let (a, b) = (try matrix(.lokrW2A), try matrix(.lokrW2B))
      rank = b.shape[0]
      if has(.lokrT2) {
        inner = try product(Self.transposed(a), expanded(core: .lokrT2, by: b, target: whole), target: whole)
      } else {
        inner = try product(a, b, target: whole)
      }
    }
    return (.kronecker(outer, inner), rank)
  }

  // MARK: Parts

  private func has(_ factor: LoRAKey.Factor) -> Bool { factors[factor] != nil }

  private func stored(_ factor: LoRAKey.Factor) throws -> StoredTensor {
    guard let stored = factors[factor] else { throw fault("lacks '\(factor.rawValue)'") }
    return stored
  }

  /// A factor as a matrix: everything behind its first axis is one.
  private func matrix(_ factor: LoRAKey.Factor) throws -> Tensor {
    let stored = try stored(factor)
    guard stored.shape.count >= 2 else { throw fault("'\(factor.rawValue)' has shape \(stored.shape)") }
    return try stored.read().reshaped([stored.shape[0], stored.count / stored.shape[0]])
  }

  private func pair(_ up: Tensor, _ down: Tensor, target: [Int]) throws -> AdapterDelta.LowRank {
    guard up.shape[1] == down.shape[0], up.shape[1] <= Self.largestRank else {
      throw fault("factors of shapes \(up.shape) and \(down.shape) have no product")
    }
    return AdapterDelta.LowRank(up: up, down: down)
  }

  /// core [p, q, h, w] with factor [q, in]: [p, in·h·w].
  private func expanded(core: LoRAKey.Factor, by factor: Tensor, target: [Int]) throws -> Tensor {
    let core = try stored(core)
    guard core.shape.count == 4, core.shape[1] == factor.shape[0], core.shape[0] <= Self.largestRank else {
      throw fault("the core of shape \(core.shape) does not fit its factor of shape \(factor.shape)")
    }
    let (outer, inner, area, width) = (
      core.shape[0], core.shape[1], core.shape[2] * core.shape[3], factor.shape[1]
    )
    guard width * area <= target[1] else {
      throw fault("the core of shape \(core.shape) is larger than the weight")
    }
    let values = try core.read()
    return Tensor(shape: [outer, width * area]) { result in
      result.update(repeating: 0)
      values.withUnsafe { core in
        factor.withUnsafe { factor in
          for p in 0..<outer {
            for q in 0..<inner {
              for column in 0..<width {
                let weight = factor[q * width + column]
                for place in 0..<area {
                  result[(p * width + column) * area + place] += core[(p * inner + q) * area + place] * weight
                }
              }
            }
          }
        }
      }
    }
  }

  private func product(_ a: Tensor, _ b: Tensor, target: [Int]) throws -> Tensor {
    let pair = try pair(a, b, target: target)
    guard pair.rows <= target[0], pair.columns <= target[1] else {
      throw fault("a product of shape [\(pair.rows), \(pair.columns)] is larger than the weight")
    }
    let delta = AdapterDelta(form: .lowRank(pair), scale: 1)
    let shape = [pair.rows, pair.columns]
    return Tensor(shape: shape) { values in
      values.update(repeating: 0)
      delta.add(to: values, elements: 0..<values.count, shape: shape)
    }
  }

  private static func transposed(_ matrix: Tensor) -> Tensor {
    let (rows, columns) = (matrix.shape[0], matrix.shape[1])
    return Tensor(shape: [columns, rows]) { result in
      matrix.withUnsafe { source in
        for row in 0..<rows {
          for column in 0..<columns { result[column * rows + row] = source[row * columns + column] }
        }
      }
    }
  }
}
